package broker

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"
)

// useEvery is how often the times of last use are written down.
const useEvery = time.Minute

// uses is when each key was used last, by its hash. It is kept beside the keys and
// says nothing that anything depends on, so that a running broker never writes to the
// keys themselves.
type uses map[string]time.Time

func lastUsed(ctx context.Context, s shelf) (func(Key) time.Time, error) {
	text, err := s.read(ctx, docUses)
	all := uses{}
	if err == nil && text != nil {
		err = json.Unmarshal(text, &all)
	}
	return func(k Key) time.Time {
		now, before := all[hex.EncodeToString(k.SHA256[:])], all[hex.EncodeToString(k.Before[:])]
		if before.After(now) {
			return before
		}
		return now
	}, err
}

// saveUses writes down what has changed, with what other brokers wrote.
func saveUses(ctx context.Context, s shelf, ks *Keys, saved uses) error {
	now := uses{}
	changed := false
	for _, h := range ks.held() {
		id, at := hex.EncodeToString(h.SHA256[:]), h.used.Load()
		now[id] = time.Unix(at, 0).UTC()
		if at == 0 {
			now[id] = time.Time{}
		}
		changed = changed || now[id].After(saved[id])
	}
	if !changed {
		return nil
	}
	return s.write(ctx, docUses, func(text []byte) ([]byte, error) {
		before := uses{}
		if json.Unmarshal(text, &before) != nil {
			before = uses{} // what can't be read is of no use to anybody
		}
		for id, at := range now {
			if saved[id] = at; before[id].After(at) {
				now[id] = before[id]
			}
			if now[id].IsZero() {
				delete(now, id)
			}
		}
		text, err := json.Marshal(now)
		return append(text, '\n'), err
	})
}
