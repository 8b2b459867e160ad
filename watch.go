package codexauth

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"codexauth/internal/wait"
)

const (
	// lookEvery is how often Watch looks, a quarter more or less, so that many
	// processes do not look at once.
	lookEvery = time.Second
	// lookPatience is how long one look may take before the store counts as away.
	lookPatience = 10 * time.Second
)

// Watch looks at the stored login about once a second until ctx ends or the Manager
// is closed, so that Config.OnEvent also learns of what other processes did, and
// of a store that went away, while nobody asks for a token. It sends nothing,
// claims nothing and refreshes nothing. looked, if not nil, is called with how long each
// look took and what the store or the record said.
//
// With a Lessor there is nothing to watch: the error wraps errors.ErrUnsupported.
func (m *Manager) Watch(ctx context.Context, looked func(took time.Duration, err error)) error {
	k, err := m.kept()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	for last := []byte(nil); ; {
		began := time.Now()
		data, err := k.lookAgain(ctx, last)
		last = data
		if ctx.Err() != nil {
			return nil
		}
		if looked != nil {
			looked(time.Since(began), err)
		}
		pause := lookEvery*3/4 + rand.N(lookEvery/2)
		if wait.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// lookAgain loads the record, and reads it unless it is the one that was read last.
// That one is enough to see that its writer has died.
func (k *keeper) lookAgain(ctx context.Context, last []byte) ([]byte, error) {
	looking, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	data, err := k.loadBytes(looking)
	switch {
	case err != nil && ctx.Err() == nil:
		k.seen.cantRead(err) // also where it only took too long
		return nil, err
	case err != nil:
		return nil, err
	case data != nil && bytes.Equal(data, last) && !k.seen.mayHaveEnded():
		return data, nil
	}
	if _, err = k.read(data); err != nil && data != nil {
		return nil, err
	}
	return data, nil
}

// mayHaveEnded: whoever was refreshing when the record was read last may have died.
func (w *witnessed) mayHaveEnded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}
