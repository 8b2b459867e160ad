package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// moving are the proofs of people who move a login, or sign in by the command,
// while a refresh is on its way.
func moving(cfg sandbox.Config) []proof {
	return []proof{
		{name: "login command in mid-refresh", cfg: cfg, play: loginMeanwhile},
		{name: "login command twice in mid-refresh", cfg: cfg, play: loginTwice},
		{name: "import in mid-refresh, the same account, forced", cfg: cfg, play: importMeanwhile(ann, 0, true)},
		{name: "import in mid-refresh, the same account, older, forced", cfg: cfg, play: importMeanwhile(ann, -2*time.Hour, true)},
		{name: "import in mid-refresh, the same account, older", cfg: cfg, play: importMeanwhile(ann, -2*time.Hour, false)},
		{name: "import in mid-refresh, the same account, newer", cfg: cfg, play: importMeanwhile(ann, 2*time.Hour, false)},
		{name: "import in mid-refresh, another account, forced", cfg: cfg, play: importMeanwhile(bob, 0, true)},
		{name: "import in mid-refresh, another account", cfg: cfg, play: importMeanwhile(bob, 0, false)},
		{name: "import of the very token that is being spent", cfg: cfg, play: importSpent},
		{name: "hand-over in mid-refresh", cfg: cfg, play: handOverMeanwhile},
		{name: "store copy in mid-refresh", cfg: cfg, play: copyMeanwhile},
		{name: "store reseal in mid-refresh", cfg: cfg, play: resealMeanwhile},
		{name: "profile rm in mid-refresh", cfg: cfg, play: removeMeanwhile},
	}
}

// settles waits for the command that refreshed: it got a token, or was signed out
// under its hands.
func (t *trial) settles(r *running) error {
	if end := r.End(); end.Code != 0 && end.Code != exitSignedOut {
		return fmt.Errorf("the command that refreshed: %v", end)
	}
	return nil
}

// newLogin checks that what is stored is another login than old, and the given
// person's, and that it can be refreshed.
func (t *trial) newLogin(old storedRecord, account string) error {
	err := t.livesOn()
	now, err2 := t.honoured(t.Run("token", "--json"))
	rec, err3 := t.stored()
	if rec.Login == old.Login || now.AccountID != account {
		err = errors.Join(err, fmt.Errorf("the old login is there, or one of %s", now.AccountID))
	}
	return errors.Join(err, err2, err3, t.noRescue())
}

func loginMeanwhile(t *trial) error { return loginsMeanwhile(t, 1) }
func loginTwice(t *trial) error     { return loginsMeanwhile(t, 2) }

// loginsMeanwhile signs in by the command, once or more, each time while the
// login before it is being refreshed.
func loginsMeanwhile(t *trial, n int) error {
	account := t.accounts()[ann]
	for range n {
		old, err := t.stored()
		if err != nil {
			return err
		}
		if err := t.Fault("latency=1s@refresh"); err != nil {
			return err
		}
		asked := t.counters().RefreshRequests
		r, err := t.Start("codexauth", nil, "refresh")
		if err != nil {
			return err
		}
		err = rig.Until("a refresh", func() bool { return t.counters().RefreshRequests > asked })
		login, err2 := playLogin(t, nil)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		err = errors.Join(login.End().Want(0), t.settles(r))
		t.Server.ClearFaults()
		if err := errors.Join(err, t.newLogin(old, account)); err != nil {
			return err
		}
	}
	return nil
}

// importMeanwhile imports a login that was signed in at another time. What the
// store has is as new as now, since it is being refreshed.
func importMeanwhile(email string, offset time.Duration, force bool) func(*trial) error {
	return func(t *trial) error {
		accounts := t.accounts()
		t.Server.SetClockOffset(offset)
		err := errors.Join(os.MkdirAll(filepath.Dir(t.authPath()), 0o700), t.elsewhere().signInAs(email),
			t.elsewhere().Run("export", "--hand-over", t.authPath()).Want(0))
		t.Server.SetClockOffset(0)
		if err != nil {
			return err
		}
		return t.importing(accounts[email], force, force || email == ann && offset > 0)
	}
}

func (t *trial) importing(account string, force, lands bool) error {
	old, err := t.stored()
	if err != nil {
		return err
	}
	t.Server.ResetCounters()
	r, err := t.slowly()
	if err != nil {
		return err
	}
	args := []string{"import", t.authPath()}
	if force {
		args = append(args, "--force")
	}
	in := t.Run(args...)
	err = t.settles(r)
	t.Server.ClearFaults()
	if lands {
		return errors.Join(err, in.Want(0), t.newLogin(old, account))
	}
	err = errors.Join(err, in.Want(1, "--force"), t.livesOn())
	if rec, readErr := t.stored(); readErr != nil || rec.Login != old.Login {
		err = errors.Join(err, fmt.Errorf("a refused import changed the login: %+v, %w", rec, readErr))
	}
	if _, statErr := os.Stat(t.authPath()); statErr != nil {
		err = errors.Join(err, fmt.Errorf("a refused import took the file: %w", statErr))
	}
	return err
}

// importSpent: an auth.json that holds the stored refresh token comes in, by
// force, while that token is being spent.
func importSpent(t *trial) error {
	data, err := t.record()
	if err != nil {
		return err
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	var rec struct {
		Credential map[string]any `json:"credential"`
	}
	if err := json.Unmarshal(body, &rec); err != nil {
		return err
	}
	tokens := map[string]any{}
	for _, name := range []string{"access_token", "refresh_token", "id_token", "account_id"} {
		tokens[name] = rec.Credential[name]
	}
	auth, err := json.Marshal(map[string]any{"tokens": tokens, "last_refresh": time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(t.authPath()), 0o700), os.WriteFile(t.authPath(), auth, 0o600)); err != nil {
		return err
	}
	old, err := t.stored()
	if err != nil {
		return err
	}
	r, err := t.slowly()
	if err != nil {
		return err
	}
	in := t.Run("import", "--force", t.authPath())
	err = errors.Join(in.Want(0, "stored already"), t.settles(r))
	t.Server.ClearFaults()
	err = errors.Join(err, t.livesOn())
	if now, readErr := t.stored(); readErr != nil || now.Login != old.Login || now.Seq != 3 {
		err = errors.Join(err, fmt.Errorf("the login became %+v, %w", now, readErr))
	}
	return err
}

func handOverMeanwhile(t *trial) error {
	r, err := t.slowly()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(t.authPath()), 0o700); err != nil {
		return err
	}
	out := t.Run("export", "--hand-over", t.authPath())
	err = errors.Join(out.Want(0), t.settles(r))
	t.Server.ClearFaults()
	other := t.elsewhere()
	return errors.Join(err, t.Run("token").Want(exitSignedOut), other.Run("import", t.authPath()).Want(0), other.livesOn(), t.noRescue())
}

func copyMeanwhile(t *trial) error {
	r, err := t.slowly()
	if err != nil {
		return err
	}
	err = errors.Join(t.Run("store", "copy", t.Address, t.elsewhere().Address).Want(0), t.settles(r))
	t.Server.ClearFaults()
	return errors.Join(err, t.Run("token").Want(exitSignedOut), t.elsewhere().livesOn(), t.noRescue())
}

func resealMeanwhile(t *trial) error {
	if err := t.Run("store", "keygen", t.keyFile()).Want(0); err != nil {
		return err
	}
	r, err := t.slowly()
	if err != nil {
		return err
	}
	err = t.Run("store", "reseal", "--to", t.keyFile()).Want(0)
	r.End() // without the key it may not be able to read what it has saved
	t.Server.ClearFaults()
	if data, readErr := t.record(); readErr != nil || bytes.Contains(data, []byte("refresh_token")) {
		err = errors.Join(err, fmt.Errorf("the record is not sealed: %w", readErr))
	}
	if t.Run("token").Code == 0 {
		err = errors.Join(err, errors.New("a sealed record was read without the key"))
	}
	t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+t.keyFile())
	return errors.Join(err, t.livesOn(), t.noRescue())
}

// removeMeanwhile: what is removed stays removed; the refresh that was on its way
// neither brings it back nor leaves it in a rescue file.
func removeMeanwhile(t *trial) error {
	r, err := t.slowly()
	if err != nil {
		return err
	}
	err = errors.Join(t.Run("profile", "rm", "default", "--force").Want(0), t.settles(r), t.Run("token").Want(exitSignedOut), t.noRescue())
	if c := t.counters(); c.Reuses+c.DeadFamily > 0 {
		err = errors.Join(err, fmt.Errorf("server: %+v", c))
	}
	return err
}
