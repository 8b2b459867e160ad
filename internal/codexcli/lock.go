package codexcli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"codexauth"
	"codexauth/internal/sharing"
)

// The Codex CLI locks auth.lock, beside auth.json, while it refreshes, and
// auth.json.lock while it writes. It waits for the first as long as it takes, but
// gives up the second after some five seconds, with a refresh token already
// spent. So a neighbour holds the first for as long as it reads and changes the
// login, and the second around a rename only.
//
// These are somebody else's files: nothing is written into them, and they are
// never deleted.

// Lock takes the lock that keeps the Codex CLI from refreshing the login at path.
// It waits until the deadline of ctx; its error then wraps codexauth.ErrBusy and
// says who holds it, as far as the system tells. A file that is not called
// auth.json has no lock.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	return lock(ctx, path, filepath.Join(filepath.Dir(path), "auth.lock"))
}

// renamePatience is longer than any rename takes.
const renamePatience = 10 * time.Second

func lockRename(ctx context.Context, path string) (unlock func(), err error) {
	// The end of ctx is no reason to leave a login in two places.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renamePatience)
	defer cancel()
	return lock(ctx, path, path+".lock")
}

// pause is how long to wait before asking for a lock again.
const pause = 20 * time.Millisecond

func lock(ctx context.Context, path, lockPath string) (unlock func(), err error) {
	if filepath.Base(path) != AuthFile {
		return func() {}, nil
	}
	if info, err := os.Lstat(lockPath); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("lock %s: not a regular file (%s)", lockPath, info.Mode().Type())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lock: %w", err)
	}
	l := flock.New(lockPath, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o600))
	var got bool
	err = sharing.Retry(func() (err error) {
		got, err = l.TryLockContext(ctx, pause)
		return err
	})
	switch {
	case got:
		return func() { l.Unlock() }, nil // closing the file unlocks it in any case
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: %s is locked by %s", codexauth.ErrBusy, lockPath, holder(lockPath))
	case errors.Is(err, context.Canceled):
		return nil, context.Cause(ctx)
	}
	return nil, fmt.Errorf("lock %s: %w", lockPath, err)
}

// someone is a holder of a lock of whom nothing is known.
const someone = "another process, probably the Codex CLI or an editor that runs it"
