package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"codexauth/internal/codexcli"
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

// otherEntries are what stands beside a login in another tool's file.
const otherEntries = "{\n  \"anthropic\": {\"type\": \"api\", \"key\": \"\\u006b\"}%s\n}\n"

// playImportEntry takes over a login that opencode keeps among others.
func playImportEntry(t *trial, env []string) (*running, error) {
	if err := t.leaveAuth(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(t.authPath())
	if err != nil {
		return nil, err
	}
	auth, err := codexcli.ParseAuth(data)
	if err != nil {
		return nil, err
	}
	entry, err := json.Marshal(map[string]any{
		"type": "oauth", "access": auth.Login.AccessToken.Reveal(), "refresh": auth.Login.RefreshToken.Reveal(), "expires": 1,
	})
	if err == nil {
		err = os.WriteFile(t.authPath(), fmt.Appendf(nil, otherEntries, ",\n  \"openai\": "+string(entry)), 0o600)
	}
	if err != nil {
		return nil, err
	}
	return t.Start("faultpoints", env, "import", "--force", "--from", "opencode", t.authPath())
}

// afterImportEntry: as afterImport, and the other logins of the file are as they were.
func afterImportEntry(_ *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	err := t.lives()
	if rest, _ := os.ReadFile(t.authPath()); string(rest) != fmt.Sprintf(otherEntries, "") {
		err = errors.Join(err, t.Run("import", "--force", "--from", "opencode", t.authPath()).Want(0))
	}
	if rest, readErr := os.ReadFile(t.authPath()); string(rest) != fmt.Sprintf(otherEntries, "") {
		err = errors.Join(err, readErr, errors.New("the file of the other logins is not as it was without the one that was moved"))
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

// otherName is what a login is renamed to.
const otherName = "other"

func (t *trial) renamed() *trial {
	other := *t
	other.Env = append(slices.Clone(t.Env), "CODEXAUTH_PROFILE="+otherName)
	return &other
}

// playRename renames a login, in the file of settings, too.
func playRename(t *trial, env []string) (*running, error) {
	return t.Start("faultpoints", env, "profile", "rename", "default", otherName, "--remember")
}

// afterRename: the same command once more ends it; the login has one name, and the
// settings name it.
func afterRename(_ *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	if r := t.Run("profile", "rename", "default", otherName, "--remember"); r.Code != 0 && r.Code != exitSignedOut {
		return lost, fmt.Errorf("once more: %v", r)
	}
	return alive, errors.Join(t.Run("--profile", "default", "token").Want(exitSignedOut), t.Run("token").Want(0), t.renamed().livesOn())
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
