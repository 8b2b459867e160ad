//go:build linux || darwin

package process

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	witnessDir    = "codexauth-alive"
	witnessPrefix = "alive-"
	// leftover is how old a witness is that nobody asks for any more.
	leftover = 48 * time.Hour
)

// NewWitness makes the witness of something that this process is about to do.
func NewWitness() Witness {
	dir := witnessPlace()
	for range 3 {
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) || !ours(dir) {
			return Witness{}
		}
		sweep(dir)
		w, err := newWitnessIn(dir)
		if !os.IsNotExist(err) { // else another process has just removed the directory with its last witness
			return w
		}
	}
	return Witness{}
}

func newWitnessIn(dir string) (Witness, error) {
	path := filepath.Join(dir, witnessPrefix+rand.Text())
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return Witness{}, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		os.Remove(path)
		return Witness{}, err
	}
	return Witness{path, func() {
		os.Remove(path)
		f.Close()
		os.Remove(dir) // the last one takes it along: what is not empty stays
	}}, nil
}

// witnessPlace is in memory where the system has such a place for its users: the
// witness is of this boot.
func witnessPlace() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, witnessDir)
		}
	}
	return filepath.Join(os.TempDir(), witnessDir+"-"+strconv.Itoa(os.Geteuid()))
}

// ours reports whether dir is this user's alone, and no link to elsewhere.
func ours(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

func left(path string) bool {
	if !filepath.IsAbs(path) || !strings.HasPrefix(filepath.Base(path), witnessPrefix) || !ours(filepath.Dir(path)) {
		return false
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}

// sweep removes what processes that were killed have left long ago.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		path := filepath.Join(dir, e.Name())
		if err == nil && time.Since(info.ModTime()) > leftover && left(path) {
			os.Remove(path)
		}
	}
}
