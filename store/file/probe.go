package file

import (
	"errors"
	"fmt"

	"codexauth"
	"codexauth/internal/lockfile"
)

// Probe reports whether a Claim of key would have to wait: its error then wraps
// [codexauth.ErrBusy] and names the holder. Other than a Claim, it changes
// nothing, not even in a lock file.
func (s *Store) Probe(key string) error {
	name, err := encodeKey(key)
	if err == nil {
		_, err = s.look()
	}
	if err == nil {
		err = checkLock(s.lockPath(name))
	}
	if err == nil {
		err = lockfile.Probe(s.lockPath(name))
	}
	var busy *lockfile.BusyError
	switch {
	case noneIfMissing(err) == nil:
		return nil
	case errors.As(err, &busy):
		return fmt.Errorf("%w: held by %s", codexauth.ErrBusy, busy.Holder)
	}
	return fmt.Errorf("claim %q: %w", key, explain(err))
}
