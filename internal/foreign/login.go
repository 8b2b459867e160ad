package foreign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"codexauth"
	"codexauth/internal/codexcli"
)

// A Login is one that a tool keeps in a file of its own.
type Login struct {
	Tool *Tool
	Path string
	codexcli.Auth
	Shared bool // other users of this machine could read the file
	Others int  // how many other logins stand in the file, which stay there

	data  []byte
	entry string
}

// Read reads the login in the tool's file at path, which must be a regular file of
// this user. The error wraps fs.ErrNotExist if there is none; codexcli.ErrNoLogin,
// codexcli.ErrAPIKey, codexcli.ErrNoRefreshToken, codexcli.ErrMalformed or
// [ErrMalformed] if there is no login in it to take over; and repeats nothing of it.
func (t *Tool) Read(path string) (*Login, error) {
	data, shared, err := codexcli.ReadAuth(path)
	if err != nil {
		return nil, err
	}
	c, err := t.parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Login{Tool: t, Path: path, Auth: c.Auth, Shared: shared, Others: c.others, data: data, entry: c.entry}, nil
}

// Found is a file in which a tool keeps its logins.
type Found struct {
	Tool  *Tool
	Path  string
	Login *Login // nil if there is none to take over
	Err   error  // then why
}

// HoldsNone reports whether f.Err is just that there is no login with ChatGPT in the
// file, rather than that it could not be read or is not understood.
func (f Found) HoldsNone() bool {
	return errors.Is(f.Err, codexcli.ErrNoLogin) || errors.Is(f.Err, codexcli.ErrAPIKey) || errors.Is(f.Err, codexcli.ErrNoRefreshToken)
}

// Find looks into the files of every tool that are on this machine. It waits for
// nobody and changes nothing.
func Find() (all []Found) {
	for _, t := range Tools() {
		files, _ := t.Files() // who has no home has no such files either
		for _, path := range files {
			login, err := t.Read(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			all = append(all, Found{t, path, login, err})
		}
	}
	return all
}

// unchanged refuses a file that holds something else than l was read from: a tool that
// heeds no lock may change it at any time.
func (l *Login) unchanged() error {
	now, _, err := codexcli.ReadAuth(l.Path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, l.data) {
		return fmt.Errorf("%w: %s was changed meanwhile, by a program that still uses it", codexauth.ErrBusy, l.Path)
	}
	return nil
}

// SetAside takes the login out of its file, durably. A file that holds nothing else is
// renamed to a backup; otherwise the entry is taken out, every other byte stays, and
// the backup holds the entry alone. Where nothing can be renamed, as on a mounted file,
// and where a file has another name, by which somebody might use the login, it is
// changed in place, and backup is empty. The caller holds [Tool.Lock]. An error
// that wraps codexauth.ErrBusy means that the file has changed since it was read.
func (l *Login) SetAside(ctx context.Context) (backup string, err error) {
	if l.Tool.Name == Codex {
		return codexcli.SetAside(ctx, l.Path, l.data)
	}
	if err := l.unchanged(); err != nil {
		return "", err
	}
	if l.Others == 0 {
		return codexcli.MoveAway(l.Path, []byte("{}\n"))
	}
	rest, taken, err := without(l.data, l.entry)
	if err != nil {
		return "", err
	}
	return codexcli.TakeOut(l.Path, rest, taken)
}

// CanSetAside makes sure, before anything is moved, that SetAside can do its work.
func (l *Login) CanSetAside() error { return codexcli.CanSetAside(l.Path) }
