package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rescueProofs are about what waits in a rescue file: it stays there until its
// own login has it, and nothing is sent while it may be there and can't be read.
func rescueProofs() []proof {
	return []proof{
		{name: "rescue files of two stores of one user", play: twoRescues},
		{name: "a rescue place open to others", play: unreadableRescue(0o700, 0o755)},
		{name: "a rescue file open to others", play: unreadableRescue(0o600, 0o644)},
		{name: "EIO from a rescue file", play: rescueEIO},
		{name: "a rescue file, and another HOME and TMPDIR", play: rescueOfAnotherHome},
		{name: "a new key while a rescue file waits", play: rescueAndReseal},
		{name: "a hand-over while a rescue file waits", play: rescueAndHandOver},
	}
}

func twoRescues(t *trial) error {
	other := t.elsewhere()
	if err := errors.Join(t.spill(), other.renew(), other.spill()); err != nil {
		return err
	}
	third := t.elsewhere()
	third.KeepIn(filepath.Join(t.Dir, "third"))
	third.Env = append(third.Env, "CODEXAUTH_STORE="+third.Address)
	err := errors.Join(third.renew(), third.Run("refresh").Want(0), third.Run("logout").Want(0))
	if n := len(t.rescued()); n != 4 {
		err = errors.Join(err, fmt.Errorf("of four rescue files of two stores %d are left", n))
	}
	return errors.Join(err, t.livesOn(), other.livesOn(), t.noRescue())
}

// notSent checks that a command refused to guess, and named what it can't read.
func (t *trial) notSent(r result, requests int) error {
	err := r.Want(1, "nothing was sent")
	named := false
	for _, path := range t.rescued() {
		named = named || strings.Contains(r.Errs, filepath.Dir(path))
	}
	if !named {
		err = errors.Join(err, fmt.Errorf("it names none of %v: %v", t.rescued(), r))
	}
	return errors.Join(err, t.requests(requests))
}

// unreadableRescue gives the rescue files, or their directories, other modes.
func unreadableRescue(private, open os.FileMode) func(*trial) error {
	return func(t *trial) error {
		if err := t.spill(); err != nil {
			return err
		}
		chmod := func(mode os.FileMode) (err error) {
			for _, path := range t.rescued() {
				if mode&0o100 != 0 {
					path = filepath.Dir(path)
				}
				err = errors.Join(err, os.Chmod(path, mode))
			}
			return err
		}
		return errors.Join(chmod(open), t.notSent(t.Run("token"), 1), chmod(private), t.livesAfter(1), t.noRescue())
	}
}

func rescueEIO(t *trial) error {
	strace, err := findStrace()
	if err != nil {
		return err
	}
	if err := t.spill(); err != nil {
		return err
	}
	args := []string{"-f", "-qq", "-o", filepath.Join(t.Dir, "trace"), "-e", "inject=openat:error=EIO"}
	for _, path := range t.rescued() {
		args = append(args, "-P", path)
	}
	r, err := t.StartPath(strace, nil, append(args, t.Program("codexauth"), "token")...)
	if err != nil {
		return err
	}
	end := r.End()
	if err := refusedTrace(end.Errs); err != nil {
		return err
	}
	return errors.Join(t.injected(), t.notSent(end, 1), t.livesAfter(1), t.noRescue())
}

// rescueOfAnotherHome: the next command runs as under cron or sudo.
func rescueOfAnotherHome(t *trial) error {
	if err := t.spill(); err != nil {
		return err
	}
	there := *t
	there.Env = append(there.Env, t.homeOf(1)[0], t.homeOf(1)[2])
	return errors.Join(there.livesAfter(1), t.noRescue())
}

func rescueAndReseal(t *trial) error {
	first, second := t.keyFile(), t.keyFile()+"2"
	err := errors.Join(
		t.Run("store", "keygen", first).Want(0), t.Run("store", "keygen", second).Want(0),
		t.Run("store", "reseal", "--to", first).Want(0))
	t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+first)
	if err := errors.Join(err, t.spill(), t.Run("store", "reseal", "--to", second).Want(0)); err != nil {
		return err
	}
	t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+second)
	return errors.Join(t.livesAfter(1), t.noRescue())
}

func rescueAndHandOver(t *trial) error {
	err := errors.Join(t.spill(), os.MkdirAll(filepath.Dir(t.authPath()), 0o700),
		t.Run("export", "--hand-over", t.authPath()).Want(0), t.noRescue())
	other := t.elsewhere()
	return errors.Join(err, other.Run("import", t.authPath()).Want(0), other.livesOn())
}
