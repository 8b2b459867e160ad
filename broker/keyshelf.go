package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"codexauth/internal/cleantext"
)

// ErrKeyFile: the keys that are kept in a file, or in a store, can't be used.
var ErrKeyFile = errors.New("unusable keys")

// A keyDoc is one of the two texts about keys.
type keyDoc int

const (
	docKeys keyDoc = iota
	docUses        // when each was used last; nothing depends on it
)

// A shelf is where keys are kept: a [KeyFile] or a [KeyStore].
type shelf interface {
	fmt.Stringer
	// read returns nil where there is no such text.
	read(context.Context, keyDoc) ([]byte, error)
	// write replaces a text by what change makes of it, durably, one process at a time.
	write(ctx context.Context, d keyDoc, change func(before []byte) ([]byte, error)) error
	// stamp tells one state of the keys from another at hardly any cost. It is false
	// where only reading tells.
	stamp() (stamp, bool)
	// every is how often they are looked at.
	every() time.Duration
}

func loadKeys(ctx context.Context, s shelf) ([]Key, error) {
	text, err := s.read(ctx, docKeys)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, s, err)
	}
	return keys, nil
}

func changeKeys(ctx context.Context, s shelf, change func([]Key) ([]Key, error)) error {
	return s.write(ctx, docKeys, func(before []byte) ([]byte, error) {
		keys, err := parseKeys(before)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, s, err)
		}
		if keys, err = change(keys); err != nil {
			return nil, err
		}
		if err := checkKeys(keys); err != nil {
			return nil, err
		}
		return keysText(keys)
	})
}

// watchKeys keeps ks as the shelf says until ctx ends, reports keys that expire, and
// writes down when keys were used.
func watchKeys(ctx context.Context, s shelf, ks *Keys, log *slog.Logger) {
	ticker := time.NewTicker(s.every())
	defer ticker.Stop()
	w := &keyWatch{shelf: s, keys: ks, log: log, ctx: ctx, notices: notices{}}
	ks.whenUnknown(w.read)
	defer ks.whenUnknown(nil)
	noted, saved := time.Now(), uses{}
	note := func(ctx context.Context) {
		if err := saveUses(ctx, s, ks, saved); err != nil {
			log.Debug("the times of last use could not be saved", "err", err)
		}
	}
	for {
		w.notices.tell(log, ks.newest(), time.Now())
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), readPatience)
			defer cancel()
			note(last)
			return
		case <-ticker.C:
		}
		if time.Since(noted) >= useEvery {
			noted = time.Now()
			note(ctx)
		}
		w.read()
	}
}

// readPatience is how long keys are waited for, while a client waits for an answer.
const readPatience = 2 * time.Second

// keyWatch is the state of a watch.
type keyWatch struct {
	shelf   shelf
	keys    *Keys
	log     *slog.Logger
	ctx     context.Context
	notices notices

	mu     sync.Mutex
	loaded stamp     // of the keys that are taken; none at first: a change since they were first read counts, too
	text   []byte    // of the keys that are taken
	taken  bool      // there is such a text
	looked time.Time // when it was read last
	tried  time.Time // when the last attempt failed; zero if it did not
	told   string    // why it failed
}

// read takes over what has changed. What could not be read is tried again for as
// long as it takes: it may be that a key was revoked.
func (w *keyWatch) read() {
	w.mu.Lock()
	defer w.mu.Unlock()
	pause := w.shelf.every() / 2 // strangers with unknown keys come at any rate
	now, cheap := w.shelf.stamp()
	switch {
	case time.Since(w.tried) < pause, cheap && now.same(w.loaded), !cheap && time.Since(w.looked) < pause:
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, readPatience)
	defer cancel()
	text, err := w.shelf.read(ctx, docKeys)
	if w.ctx.Err() != nil {
		return
	}
	w.looked = time.Now()
	if err == nil && !(w.taken && bytes.Equal(text, w.text)) {
		err = w.take(text)
	}
	if err != nil {
		w.tried = time.Now()
		if err.Error() != w.told {
			w.log.Error("the previous keys stay in use; the file is read again every second", "err", cleantext.Message(err.Error()))
		}
		w.told = err.Error()
		return
	}
	if w.told != "" {
		w.log.Info("the keys can be read again")
	}
	w.loaded, w.tried, w.told = now, time.Time{}, ""
}

func (w *keyWatch) take(text []byte) error {
	keys, err := parseKeys(text)
	if err == nil {
		err = w.keys.Replace(keys)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrKeyFile, w.shelf, err)
	}
	w.text, w.taken = text, true
	w.log.Debug("keys read", "keys", len(keys))
	return nil
}
