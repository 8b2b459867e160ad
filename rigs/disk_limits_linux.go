package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codexauth/internal/rig"
)

// limitProofs take from a process, between its note and its save, what a save
// needs. It was had before, or the process waits for as long as it takes.
func limitProofs() []proof {
	return []proof{
		{name: "store, home and /tmp on one disk, full from the note on", play: onlyDiskFull(false)},
		{name: "store, home and /tmp on one disk, no inode left from the note on", play: onlyDiskFull(true)},
		{name: "no descriptor left from the note on", play: limited(unix.RLIMIT_NOFILE, 3, 0)},
		{name: "no file may be longer than a byte, for two seconds", play: limited(unix.RLIMIT_FSIZE, 1, 2*time.Second)},
		{name: "EIO from each fsync for a minute in mid-refresh", full: true, play: failingForLong("fsync:error=EIO", time.Minute)},
		{name: "too little memory for a large answer", play: tightMemory},
	}
}

// onlyDiskFull: everything that the program writes is on one small disk.
func onlyDiskFull(inodes bool) func(*trial) error {
	return func(t *trial) error {
		if !t.b.Isolated() {
			return skip{"mounting is not permitted here"}
		}
		disk := filepath.Join(t.Dir, "disk")
		if err := os.Mkdir(disk, 0o700); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m,nr_inodes=64,mode=0700"); err != nil {
			return skip{"mounting is not permitted here: " + err.Error()}
		}
		defer syscall.Unmount(disk, syscall.MNT_DETACH)
		home, tmp := filepath.Join(disk, "home"), filepath.Join(disk, "tmp")
		t.KeepIn(filepath.Join(home, "store"))
		t.Env = append(t.Env, "HOME="+home, "TMPDIR="+tmp)
		if err := errors.Join(os.Mkdir(home, 0o700), os.Mkdir(tmp, 0o700), t.renew()); err != nil {
			return err
		}
		r, child, err := t.standing(moment{"note-saved", 1})
		if err != nil {
			return err
		}
		full, free := t.fill, t.free
		if inodes {
			full, free = func() error { return takeInodes(filepath.Join(disk, "f")) }, func() error { return os.RemoveAll(filepath.Join(disk, "f0")) }
		}
		if err := errors.Join(full(), syscall.Kill(child, syscall.SIGCONT)); err != nil {
			return errors.Join(err, killBoth(r, child))
		}
		_, err = t.honoured(r.End())
		return errors.Join(err, t.livesAfter(1), t.noRescue(), t.Run("refresh").Want(1, "nothing was sent"), t.requests(1), free())
	}
}

// takeInodes makes empty files until there can be no more.
func takeInodes(prefix string) error {
	for i := range 1000 {
		switch f, err := os.Create(fmt.Sprint(prefix, i)); {
		case errors.Is(err, syscall.ENOSPC):
			return nil
		case err != nil:
			return err
		default:
			f.Close()
		}
	}
	return errors.New("the volume has inodes for ever")
}

// limited sets a limit of the child between note and save; after a while it is
// lifted again, or with 0 never.
func limited(resource int, limit uint64, while time.Duration) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standing(moment{"request-written", 1})
		if err != nil {
			return err
		}
		var before unix.Rlimit
		if err = unix.Prlimit(child, resource, nil, &before); err == nil {
			err = unix.Prlimit(child, resource, &unix.Rlimit{Cur: limit, Max: before.Max}, nil)
		}
		if err := errors.Join(err, syscall.Kill(child, syscall.SIGCONT)); err != nil {
			return errors.Join(err, killBoth(r, child))
		}
		if while > 0 {
			time.Sleep(while)
			if err := unix.Prlimit(child, resource, &before, nil); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("it ended before its successor was saved: %w, %v", err, r.End())
			}
		}
		r.End() // where even its spare descriptors are beyond the limit, it has spilled
		return errors.Join(t.livesAfter(1), t.noRescue())
	}
}

// failingForLong is failingForAWhile for so long that all are told. The process
// that has the new token goes on.
func failingForLong(inject string, length time.Duration) func(*trial) error {
	return func(t *trial) error {
		r, tracer, err := t.failingFromRequest(inject)
		if err != nil {
			return err
		}
		time.Sleep(length)
		if err := tracer.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		r.End() // it may have been told by now
		return errors.Join(t.injected(), t.livesAfter(1), t.noRescue())
	}
}

// tightMemory refreshes again and again with a little more memory each time, in small
// steps where it begins to be enough, and an answer of 300 KB. Whatever the server
// was asked for is stored.
func tightMemory(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	f.Change = padded
	const coarse, fine = 4 << 10, 1 << 8
	failed, done, asked, step := 0, 0, 0, coarse
	for kilobytes := 8 << 10; kilobytes < 512<<10 && done < 12; kilobytes += step {
		r, err := t.StartPath("/bin/sh", nil, "-c", fmt.Sprintf("ulimit -d %d; exec %s refresh", kilobytes, t.Program("codexauth")))
		if err != nil {
			return err
		}
		r.End() // such a token is of no use: the server tells
		n, rec := 0, storedRecord{}
		err = rig.Until("what the server was asked for to be stored", func() bool { // a child may outlive its parent
			rec, err = t.stored()
			n = t.Server.Counters().Refreshes
			return err == nil && rec.Seq == uint64(n)+1
		})
		if err != nil {
			return fmt.Errorf("with %d KB: %d refreshes, and the record is %+v: %w", kilobytes, n, rec, err)
		}
		if n > asked {
			done++
			if step == coarse {
				kilobytes, step = kilobytes-coarse, fine
			}
		} else {
			failed++
		}
		asked = n
	}
	if failed == 0 || done == 0 {
		return fmt.Errorf("no limit was tight: %d failed, %d did not", failed, done)
	}
	f.Change = nil
	return t.livesOn()
}

// padded makes an access token long.
func padded(resp *http.Response) error {
	return changeBody(resp, func(body string) string {
		return strings.Replace(body, `"access_token":"`, `"access_token":"`+strings.Repeat("x", 300<<10), 1)
	})
}
