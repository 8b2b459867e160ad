package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk has the store's disk fail in every way before a refresh and in the middle
// of one. Afterwards nothing was sent, or the login lives, or, where the power
// was cut between the server's answer and its save, the message is right.
func disk(b *run) ([]verdict, error) {
	proofs := []proof{
		{name: "full before a refresh", play: fullBefore},
		{name: "full in mid-refresh", play: fullMeanwhile},
		{name: "a rescue file and a new sign-in", play: rescueAndSignIn},
		{name: "a rescue file and a sign-out", play: rescueAndSignOut},
		{name: "read-only", play: readOnly},
		{name: "a file size limit", play: sizeLimit},
		{name: "directory moved away in mid-refresh, and back while it retries", play: movedAndBack},
		{name: "directory moved away in mid-refresh, and back after a kill", play: movedAndKilled},
		{name: "volume unmounted in mid-refresh", play: unmounted},
		{name: "record replaced by its older self in mid-refresh", play: replaced(older)},
		{name: "record replaced by garbage in mid-refresh", play: garbageMeanwhile},
		{name: "record deleted in mid-refresh", play: replaced(deleted)},
		{name: "record replaced by a new sign-in that takes no claim", play: replacedByLogin},
	}
	proofs = append(proofs, straceProofs()...)
	proofs = append(proofs, rescueProofs()...)
	proofs = append(proofs, limitProofs()...)
	proofs = append(proofs, powerProofs()...)
	return b.prove("disk", 4, proofs), nil
}

// onVolume mounts a small volume for the store and signs in on it.
func (t *trial) onVolume() (unmount func(), err error) {
	if !t.b.Isolated() {
		return nil, skip{"mounting is not permitted here"}
	}
	if err := syscall.Mount("tmpfs", t.Home, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		return nil, skip{"mounting is not permitted here: " + err.Error()}
	}
	return func() { syscall.Unmount(t.Home, syscall.MNT_DETACH) }, t.renew()
}

func (t *trial) filler() string { return filepath.Join(t.Home, "filler") }

// fill leaves no byte free.
func (t *trial) fill() error {
	if err := os.WriteFile(t.filler(), make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the volume did not fill up: %v", err)
	}
	return nil
}

func (t *trial) free() error { return os.Remove(t.filler()) }

func fullBefore(t *trial) error {
	unmount, err := t.onVolume()
	if err != nil {
		return err
	}
	defer unmount()
	return errors.Join(
		t.fill(),
		t.Run("token").Want(1, "nothing was sent", "the disk or the quota is full"),
		t.requests(0),
		t.free(),
		t.livesAfter(1))
}

// fullMeanwhile: what a disk full in mid-refresh would not take was set aside
// before, so that the new token is saved at once.
func fullMeanwhile(t *trial) error {
	unmount, err := t.onVolume()
	if err != nil {
		return err
	}
	defer unmount()
	r, child, err := t.standing(moment{"request-written", 1})
	if err != nil {
		return err
	}
	if err := errors.Join(t.fill(), syscall.Kill(child, syscall.SIGCONT)); err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	_, err = t.honoured(r.End())
	return errors.Join(err, t.livesAfter(1), t.noRescue(), t.free(), t.livesOn())
}

func rescueAndSignIn(t *trial) error {
	if err := errors.Join(t.spill(), t.SignIn()); err != nil {
		return err
	}
	mine, err := t.stored()
	if err != nil {
		return err
	}
	if err := errors.Join(t.Run("refresh").Want(0), t.lives(), t.noRescue()); err != nil {
		return err
	}
	if now, err := t.stored(); err != nil || now.Login != mine.Login || now.Seq != 2 {
		return fmt.Errorf("the new sign-in %+v became %+v (%v)", mine, now, err)
	}
	return nil
}

func rescueAndSignOut(t *trial) error {
	if err := errors.Join(t.spill(), t.Run("logout").Want(0), t.Run("token").Want(exitSignedOut), t.noRescue()); err != nil {
		return err
	}
	if c := t.Server.Counters(); c.FamiliesRevoked != 1 || c.Reuses != 0 {
		return fmt.Errorf("want the login revoked by its newest token, got %+v", c)
	}
	return nil
}

func readOnly(t *trial) error {
	if !t.b.Isolated() {
		return skip{"mounting is not permitted here"}
	}
	if err := syscall.Mount(t.Home, t.Home, "", syscall.MS_BIND, ""); err != nil {
		return skip{"mounting is not permitted here: " + err.Error()}
	}
	defer syscall.Unmount(t.Home, syscall.MNT_DETACH)
	remount := func(flags uintptr) error {
		return syscall.Mount("", t.Home, "", syscall.MS_REMOUNT|syscall.MS_BIND|flags, "")
	}
	return errors.Join(
		remount(syscall.MS_RDONLY),
		t.Run("token").Want(1, "read-only", "mount it writable"),
		t.requests(0),
		remount(0),
		t.livesAfter(1))
}

// sizeLimit: the system ends a process that writes a file longer than its limit.
func sizeLimit(t *trial) error {
	r, err := t.StartPath("/bin/sh", nil, "-c", "ulimit -f 1; exec "+t.Program("codexauth")+" token")
	if err != nil {
		return err
	}
	if end := r.End(); end.Code == 0 {
		return fmt.Errorf("it wrote more than it may: %v", end)
	}
	return errors.Join(t.requests(0), t.livesAfter(1))
}
