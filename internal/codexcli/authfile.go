package codexcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
	"codexauth/internal/sysfail"
	"codexauth/internal/toolfile"
)

// MaxAuth is how many bytes an auth.json may have.
const MaxAuth = 1 << 20

// ReadAuth returns what the auth.json at path holds: a regular file of this user,
// at most MaxAuth bytes. shared says that other users could read it, too. The
// error wraps fs.ErrNotExist if there is none.
func ReadAuth(path string) (data []byte, shared bool, err error) {
	data, err = atomicfile.Read(path, MaxAuth, func(info fs.FileInfo) error {
		var open *private.Exposed
		shared = errors.As(private.Check(path, info), &open)
		switch {
		case shared && open.Foreign():
			return open
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a symbolic link; name the file that it leads to", path)
		}
		return nil
	})
	return data, shared, err
}

// ReadAuthFrom reads an auth.json of at most MaxAuth bytes from r.
func ReadAuthFrom(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxAuth+1))
	if err == nil && len(data) > MaxAuth {
		err = fmt.Errorf("more than %d bytes, which no auth.json has", MaxAuth)
	}
	return data, err
}

// CanSetAside makes sure, before anything is moved, that [SetAside] can end what the
// auth.json at path holds: that the file can be written. The caller holds [Lock].
func CanSetAside(path string) error {
	f, err := openToWrite(path)
	if errors.Is(err, fs.ErrPermission) && os.Chmod(path, 0o600) == nil { // its owner may
		f, err = openToWrite(path)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func openToWrite(path string) (f *os.File, err error) {
	err = sharing.Retry(func() error {
		f, err = os.OpenFile(path, os.O_WRONLY, 0)
		return err
	})
	return f, err
}

// SetAside renames the auth.json at path, which must still hold data, to a
// backup, and returns the backup's path. Where it can't be renamed, since it is a
// mount point or its directory is not ours to change, the login is taken out of it
// in place, and there is no backup; so it is where the file has another name, under
// which it would stay. The caller holds [Lock]. The backup is
// for this user alone. An error that wraps codexauth.ErrBusy means that the file
// has changed meanwhile and is still there.
func SetAside(ctx context.Context, path string, data []byte) (backup string, err error) {
	unlock, err := lockRename(ctx, path)
	if err != nil {
		return "", err
	}
	defer unlock()
	now, _, err := ReadAuth(path)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(now, data) {
		return "", fmt.Errorf("%w: %s was changed meanwhile, by a program that still uses it", codexauth.ErrBusy, path)
	}
	return moveAway(path, func() ([]byte, error) { return withoutLogin(data) })
}

// MoveAway is SetAside for a file of another program's, which the caller has locked
// and looked at. rest is what is left of it where it can't be renamed.
func MoveAway(path string, rest []byte) (backup string, err error) {
	return moveAway(path, func() ([]byte, error) { return rest, nil })
}

func moveAway(path string, rest func() ([]byte, error)) (backup string, err error) {
	if toolfile.ManyNames(path) {
		data, err := rest()
		if err == nil {
			err = toolfile.WriteInPlace(path, data)
		}
		return "", err
	}
	if backup, err = toolfile.BackupName(path, time.Now()); err != nil {
		return "", err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return "", err
	}
	if err := sharing.Retry(func() error { return os.Rename(path, backup) }); err != nil {
		return "", leave(path, rest, err)
	}
	return backup, atomicfile.SyncDir(filepath.Dir(path))
}

// leave writes rest into the file at path, which could not be renamed because of err.
func leave(path string, rest func() ([]byte, error), err error) error {
	if !toolfile.OnlyInPlace(err) {
		return err
	}
	data, parseErr := rest()
	if parseErr != nil {
		return errors.Join(err, parseErr)
	}
	if inPlace := toolfile.WriteInPlace(path, data); inPlace != nil {
		return errors.Join(err, inPlace)
	}
	return nil
}

// TakeOut puts rest in place of the file at path, once taken, which is what goes, is in
// a backup beside it. Where no backup can be made, since the directory is not ours to
// change, there is none. The caller has locked the file and looked at it.
func TakeOut(path string, rest, taken []byte) (backup string, err error) {
	backup, err = toolfile.CopyAway(path, taken, 0o600)
	if err != nil && !toolfile.OnlyInPlace(err) {
		return "", err
	}
	if err != nil {
		backup = ""
	}
	if toolfile.ManyNames(path) { // under the other it would stay
		return backup, toolfile.WriteInPlace(path, rest)
	}
	return backup, toolfile.Write(path, rest, atomicfile.Options{})
}

// WriteAuth puts data in place of the auth.json at path, durably, for this user
// alone. old is what the file held, nil if there was none; where keep says so it
// is kept in a backup, whose path is returned. The caller holds [Lock]. If there
// is an error, data is not left behind.
func WriteAuth(ctx context.Context, path string, data, old []byte, keep bool) (backup string, err error) {
	unlock, err := lockRename(ctx, path)
	if err != nil {
		return "", err
	}
	defer unlock()
	if old != nil && keep {
		if backup, err = toolfile.CopyAway(path, old, 0o600); err != nil {
			return "", err
		}
	}
	err = toolfile.Write(path, data, atomicfile.Options{})
	if err == nil {
		return backup, nil
	}
	if left := takeBack(path, data, old); left != nil {
		err = errors.Join(err, fmt.Errorf("and the login could not be taken out of %s again; delete that file: %w", path, left))
	}
	return backup, err
}

// TakeBack puts old, which may be nil, in place of data again, which [WriteAuth] put
// there. The caller holds [Lock]. Where the file holds something else by now, it is
// left alone, and that is an error.
func TakeBack(path string, data, old []byte) error {
	now, _, err := ReadAuth(path)
	if err == nil && !bytes.Equal(now, data) {
		return fmt.Errorf("%w: %s was changed meanwhile, by a program that uses it", codexauth.ErrBusy, path)
	}
	return takeBack(path, data, old)
}

// takeBack puts old in place of data, if data got there.
func takeBack(path string, data, old []byte) error {
	now, _, err := ReadAuth(path)
	if sysfail.Missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(now, data) {
		return nil
	}
	if old == nil {
		return sharing.Remove(path)
	}
	return toolfile.Write(path, old, atomicfile.Options{})
}

// withoutLogin is the auth.json data without its tokens. What else it holds, such as
// an API key, stays.
func withoutLogin(data []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	delete(fields, "tokens")
	delete(fields, "last_refresh")
	return json.Marshal(fields)
}
