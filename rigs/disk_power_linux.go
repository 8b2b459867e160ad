package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"codexauth/internal/rig"
)

// powerProofs cut the power of the store's disk: an ext4 file system on a loop
// device is shut down, without flushing its journal, and mounted again.
func powerProofs() []proof {
	proofs := []proof{
		{name: "power cut after a token was printed", play: cutAfter},
		{name: "the disk gone in mid-refresh, back after a kill", play: diskGone},
	}
	for _, m := range []struct {
		moment
		window bool // the answer may be lost
	}{
		{moment{"temp-synced", 1}, false},
		{moment{"renamed", 1}, false},
		{moment{"note-saved", 1}, false},
		{moment{"request-written", 1}, true},
		{moment{"temp-synced", 2}, true},
		{moment{"renamed", 2}, true},
		{moment{"dir-synced", 2}, false},
		{moment{"published", 1}, false},
	} {
		proofs = append(proofs, proof{name: "power cut " + m.String(), play: cutAt(m.moment, m.window)})
	}
	return proofs
}

// onDisk puts the store onto an ext4 file system of its own and signs in there.
func (t *trial) onDisk() (unmount func(), err error) {
	if !t.b.Isolated() {
		return nil, skip{"mounting is not permitted here"}
	}
	if err := os.WriteFile(t.image(), nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(t.image(), 16<<20); err != nil {
		return nil, err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", t.image()).CombinedOutput(); err != nil {
		return nil, skip{fmt.Sprintf("mkfs.ext4: %v %s", err, out)}
	}
	if err := t.mountDisk(); err != nil {
		return nil, skip{err.Error()}
	}
	return func() { t.unmountDisk() }, t.renew()
}

func (t *trial) image() string { return filepath.Join(t.Dir, "image") }

func (t *trial) mountDisk() error {
	if out, err := exec.Command("mount", "-o", "loop", t.image(), t.Home).CombinedOutput(); err != nil {
		return fmt.Errorf("no loop device: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Chmod(t.Home, 0o700)
}

func (t *trial) unmountDisk() error {
	var out []byte
	var err error
	if rig.Until("the disk to be free", func() bool {
		out, err = exec.Command("umount", t.Home).CombinedOutput()
		return err == nil
	}) != nil {
		return fmt.Errorf("umount: %w: %s", err, out)
	}
	return nil
}

// cutPower stops the store's file system with what is durable by now.
func (t *trial) cutPower() error {
	dir, err := os.Open(t.Home)
	if err != nil {
		return err
	}
	defer dir.Close()
	const shutdown, noLogFlush = 0x8004587d, 2 // FS_IOC_SHUTDOWN of linux/fs.h
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		return skip{"this kernel can't shut a file system down: " + errno.Error()}
	}
	return nil
}

func (t *trial) powerBack() error { return errors.Join(t.unmountDisk(), t.mountDisk()) }

func cutAfter(t *trial) error {
	unmount, err := t.onDisk()
	if err != nil {
		return err
	}
	defer unmount()
	first, err := t.honoured(t.Run("token", "--json"))
	if err := errors.Join(err, t.cutPower(), t.powerBack()); err != nil {
		return err
	}
	second, err := t.honoured(t.Run("token", "--json"))
	if err == nil && first != second {
		err = errors.New("the token that was printed did not survive")
	}
	return errors.Join(err, t.requests(1))
}

func cutAt(m moment, window bool) func(*trial) error {
	return func(t *trial) error {
		unmount, err := t.onDisk()
		if err != nil {
			return err
		}
		defer unmount()
		r, child, err := t.standing(m)
		if err != nil {
			return err
		}
		if err := errors.Join(t.cutPower(), killBoth(r, child), t.powerBack()); err != nil {
			return err
		}
		k := &killing{b: t.b}
		f, err := k.aftermath(t, window)
		if err == nil && f == alive && !window {
			err = t.requests(2) // the rotation, and the one by which aftermath sees that the login lives on
		}
		return errors.Join(err, t.whole(), t.noRescue())
	}
}

// diskGone: the disk takes nothing any more while the request is out, and the
// process lives long enough to leave a rescue file elsewhere.
func diskGone(t *trial) error {
	unmount, err := t.onDisk()
	if err != nil {
		return err
	}
	defer unmount()
	r, child, err := t.standing(moment{"request-written", 1})
	if err != nil {
		return err
	}
	if err := errors.Join(t.cutPower(), syscall.Kill(child, syscall.SIGCONT), t.untilRescued()); err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	return errors.Join(killBoth(r, child), t.powerBack(), t.livesAfter(1), t.noRescue())
}
