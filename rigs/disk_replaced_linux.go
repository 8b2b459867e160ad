package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codexauth/sandbox"
)

func (t *trial) away() string { return t.Home + ".away" }

func (t *trial) moveAway() error { return os.Rename(t.Home, t.away()) }

// moveBack puts the directory back as a person would: over whatever is there,
// and without looking for what may have been left in its place.
func (t *trial) moveBack() error {
	if _, err := os.Lstat(t.Home); err == nil {
		return fmt.Errorf("while the directory was away, %s was made again: it is in the way of moving the old one back", t.Home)
	}
	return os.Rename(t.away(), t.Home)
}

func movedAndBack(t *trial) error {
	r, err := t.asking()
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(t.Home, t.away()), t.untilRescued(), t.moveBack()); err != nil {
		return errors.Join(err, killBoth(r, 0))
	}
	_, err = t.honoured(r.End())
	return errors.Join(err, t.livesAfter(1), t.noRescue())
}

func movedAndKilled(t *trial) error {
	r, err := t.asking()
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(t.Home, t.away()), t.untilRescued()); err != nil {
		return errors.Join(err, killBoth(r, 0))
	}
	return errors.Join(killBoth(r, 0), t.moveBack(), t.livesAfter(1), t.noRescue())
}

// unmounted takes the store's volume away while a request is on its way, kills
// the process once it has spilled, and brings the volume back.
func unmounted(t *trial) error {
	if !t.b.Isolated() {
		return skip{"mounting is not permitted here"}
	}
	volume := filepath.Join(t.Dir, "volume")
	if err := os.Mkdir(volume, 0o700); err != nil {
		return err
	}
	mount := func() error { return syscall.Mount(volume, t.Home, "", syscall.MS_BIND, "") }
	unmount := func() error { return syscall.Unmount(t.Home, syscall.MNT_DETACH) }
	if err := mount(); err != nil {
		return skip{"mounting is not permitted here: " + err.Error()}
	}
	defer unmount()
	if err := t.renew(); err != nil {
		return err
	}
	r, err := t.asking()
	if err != nil {
		return err
	}
	if err := errors.Join(unmount(), t.untilRescued()); err != nil {
		return errors.Join(err, killBoth(r, 0))
	}
	where := t.rescued()
	if err := errors.Join(killBoth(r, 0), mount(), t.livesAfter(1)); err != nil {
		return fmt.Errorf("%w; the rescue file was %v", err, where)
	}
	return t.noRescue()
}

// replaced lets another program meddle with the record while a request is on its way.
func replaced(meddle func(t *trial, before []byte) error) func(*trial) error {
	return func(t *trial) error {
		before, err := os.ReadFile(t.recordPath())
		if err != nil {
			return err
		}
		r, err := t.asking()
		if err != nil {
			return err
		}
		if err := meddle(t, before); err != nil {
			return err
		}
		_, err = t.honoured(r.End())
		return errors.Join(err, t.livesAfter(1), t.noRescue())
	}
}

func older(t *trial, before []byte) error { return os.WriteFile(t.recordPath(), before, 0o600) }

// garbageMeanwhile: what can't be read is not overwritten, for it may be somebody
// else's; the new token waits in a rescue file until the record is back.
func garbageMeanwhile(t *trial) error {
	r, child, err := t.standing(moment{"request-written", 1})
	if err != nil {
		return err
	}
	noted, err := os.ReadFile(t.recordPath())
	if err != nil {
		return err
	}
	spoil := os.WriteFile(t.recordPath(), bytes.ToUpper(noted[:len(noted)/2]), 0o600)
	if err := errors.Join(spoil, syscall.Kill(child, syscall.SIGCONT), t.untilRescued()); err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	_ = killBoth(r, child) // it may have given up
	return errors.Join(os.WriteFile(t.recordPath(), noted, 0o600), t.livesAfter(1), t.noRescue())
}

func deleted(t *trial, _ []byte) error { return os.Remove(t.recordPath()) }

// replacedByLogin: a sync program brings another machine's new sign-in in
// mid-refresh. What comes back for the old login must not land on it.
func replacedByLogin(t *trial) error {
	other, err := t.b.newSignedOut(sandbox.Config{})
	if err != nil {
		return err
	}
	defer other.Close()
	other.Server.Close()
	other.Server, other.Issuer = t.Server, t.Issuer
	if err := other.SignIn(); err != nil {
		return err
	}
	t.Server.ResetCounters()
	theirs, err := os.ReadFile(other.recordPath())
	if err != nil {
		return err
	}
	r, err := t.asking()
	if err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	if err := os.WriteFile(t.recordPath(), theirs, 0o600); err != nil {
		return err
	}
	end := r.End()
	mine, err := other.stored()
	if err != nil {
		return err
	}
	if now, err := t.stored(); err != nil || now.Login != mine.Login || now.Seq != 1 {
		return fmt.Errorf("the new login became %+v (%v)", now, err)
	}
	_, err = t.honoured(end)
	return errors.Join(err, t.livesAfter(1), t.noRescue())
}
