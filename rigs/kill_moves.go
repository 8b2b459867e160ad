package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What is killed here moves a login: wherever it is cut off, running it again
// completes it, and the login is in one place.

func playImport(t *trial, env []string) (*running, error) {
	if err := t.leaveAuth(); err != nil {
		return nil, err
	}
	return t.Start("faultpoints", env, "import", "--force", t.authPath())
}

// afterImport: the old login or the new one is there and lives, and the same
// command once more brings the new one in for good.
func afterImport(_ *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	err := t.lives()
	if _, statErr := os.Stat(t.authPath()); statErr == nil {
		err = errors.Join(err, t.Run("import", "--force", t.authPath()).Want(0))
	}
	if _, statErr := os.Stat(t.authPath()); !errors.Is(statErr, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("the login is stored, and %s is still there", t.authPath()))
	}
	return alive, errors.Join(err, t.livesOn())
}

func playHandOver(t *trial, env []string) (*running, error) {
	if err := os.MkdirAll(filepath.Dir(t.authPath()), 0o700); err != nil {
		return nil, err
	}
	return t.Start("faultpoints", env, "export", "--hand-over", t.authPath())
}

func afterHandOver(_ *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	if r := t.Run("export", "--hand-over", t.authPath()); r.Code != 0 && r.Code != exitSignedOut {
		return lost, fmt.Errorf("once more: %v", r)
	}
	return alive, errors.Join(
		t.Run("token").Want(exitSignedOut),
		t.Run("import", t.authPath()).Want(0), // all of it was there
		t.livesOn())
}

func playCopy(t *trial, env []string) (*running, error) {
	return t.Start("faultpoints", env, "store", "copy", t.Address, t.elsewhere().Address)
}

func afterCopy(_ *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	if r := t.Run("store", "copy", t.Address, t.elsewhere().Address); r.Code != 0 && r.Code != exitSignedOut {
		return lost, fmt.Errorf("once more: %v", r)
	}
	return alive, errors.Join(t.Run("token").Want(exitSignedOut), t.elsewhere().livesOn())
}

func playReseal(t *trial, env []string) (*running, error) {
	if err := t.Run("store", "keygen", t.keyFile()).Want(0); err != nil {
		return nil, err
	}
	return t.Start("faultpoints", env, "store", "reseal", "--to", t.keyFile())
}

// afterReseal: plain or sealed, whoever has the key gets a token.
func afterReseal(_ *killing, t *trial) (fate, error) {
	t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+t.keyFile())
	return alive, errors.Join(t.Run("store", "reseal", "--to", t.keyFile()).Want(0), t.livesOn())
}
