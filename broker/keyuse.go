package broker

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/lockfile"
	"codexauth/internal/private"
)

// useEvery is how often the times of last use are written down.
const useEvery = time.Minute

// uses is a file beside the keys: when each was used last, by its hash. It says
// nothing that anything depends on, so that a running broker never writes to the
// file of keys itself.
type uses map[string]time.Time

func (f KeyFile) uses() string { return string(f) + ".used" }

// LastUsed returns when a key was last used, as far as that was written down: a
// broker that runs does so within a minute. It is zero if it never was.
func (f KeyFile) LastUsed() (func(Key) time.Time, error) {
	all, err := f.loadUses()
	return func(k Key) time.Time { return all[hex.EncodeToString(k.SHA256[:])] }, err
}

func (f KeyFile) loadUses() (uses, error) {
	text, err := atomicfile.Read(f.uses(), maxKeyFile, func(info fs.FileInfo) error { return private.CheckFile(f.uses(), info) })
	if errors.Is(err, fs.ErrNotExist) {
		return uses{}, nil
	}
	all := uses{}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, err
}

// saveUses writes down what has changed, beside what other brokers wrote.
func (f KeyFile) saveUses(ctx context.Context, ks *Keys, saved uses) error {
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
	unlock, err := lockfile.Lock(ctx, string(f)+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	before, err := f.loadUses()
	if err != nil {
		before = uses{} // a file that can't be read is of no use to anybody
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
	if err != nil {
		return err
	}
	return atomicfile.Write(f.uses(), append(text, '\n'), atomicfile.Options{})
}
