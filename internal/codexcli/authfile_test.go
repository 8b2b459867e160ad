package codexcli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"codexauth"
)

func authPath(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), AuthFile)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadAuth(t *testing.T) {
	path := authPath(t, "content")
	if data, shared, err := ReadAuth(path); string(data) != "content" || shared || err != nil {
		t.Errorf("%q, %v, %v", data, shared, err)
	}
	if _, _, err := ReadAuth(path + "-missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, _, err := ReadAuth(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if err := os.Truncate(path, MaxAuth+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadAuth(path); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := ReadAuthFrom(strings.NewReader(strings.Repeat("x", MaxAuth+1))); err == nil {
		t.Error("huge input was read")
	}
	if data, err := ReadAuthFrom(strings.NewReader(strings.Repeat("x", MaxAuth))); err != nil || len(data) != MaxAuth {
		t.Error(len(data), err)
	}
}

func TestReadAuthOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and owners say nothing on Windows")
	}
	path := authPath(t, "content")
	link := path + "-link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadAuth(link); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, shared, err := ReadAuth(path); !shared || err != nil {
		t.Errorf("a file that others can read: %v, %v", shared, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadAuth(path); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user's file: %v", err)
	}
}

func TestSetAside(t *testing.T) {
	path := authPath(t, "content")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := SetAside(t.Context(), path, []byte("other")); !errors.Is(err, codexauth.ErrBusy) {
		t.Fatalf("a file that was changed: %v", err)
	}
	backup, err := SetAside(t.Context(), path, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is still there")
	}
	info, err := os.Stat(backup)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// A second backup of the same second does not overwrite the first.
	if err := os.WriteFile(path, []byte("more"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := SetAside(t.Context(), path, []byte("more"))
	if err != nil || second == backup {
		t.Errorf("%s, %v", second, err)
	}
	if kept, err := os.ReadFile(backup); err != nil || string(kept) != "content" {
		t.Errorf("the first backup is %q, %v", kept, err)
	}
}

func TestWriteAuth(t *testing.T) {
	path := authPath(t, "old")
	backup, err := WriteAuth(t.Context(), path, []byte("new"), []byte("old"), true)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path: "new", backup: "old"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if backup, err := WriteAuth(t.Context(), path, []byte("newer"), []byte("new"), false); err != nil || backup != "" {
		t.Errorf("%q, %v", backup, err)
	}
	if left := takeBack(path, []byte("newer"), []byte("new")); left != nil {
		t.Fatal(left)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("taken back, it holds %q, %v", got, err)
	}
	if left := takeBack(path, []byte("new"), nil); left != nil {
		t.Fatal(left)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("taken back, it is still there")
	}
	if left := takeBack(path, []byte("new"), nil); left != nil {
		t.Error(left)
	}
}

// Whoever holds a lock is waited for, but not for ever, and is named.
func TestLock(t *testing.T) {
	path := authPath(t, "content")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, path)
	if !errors.Is(err, codexauth.ErrBusy) || !strings.Contains(err.Error(), "auth.lock") {
		t.Fatalf("a lock that is taken: %v", err)
	}
	if runtime.GOOS == "linux" && !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("it does not say who holds the lock: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Lock(stopped, path); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was cancelled: %v", err)
	}
	unlock()
	again, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if content, err := os.ReadFile(filepath.Join(filepath.Dir(path), "auth.lock")); err != nil || len(content) != 0 {
		t.Errorf("something was written into a neighbour's lock file: %q, %v", content, err)
	}
}

func TestLockElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed.json")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("a file that is no Codex CLI's was given lock files: %v, %v", entries, err)
	}
	if _, err := Lock(t.Context(), filepath.Join(t.TempDir(), "missing", AuthFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "auth.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(t.Context(), filepath.Join(home, AuthFile)); err == nil {
		t.Error("a directory was locked")
	}
}

func TestHome(t *testing.T) {
	t.Setenv("CODEX_HOME", "")
	t.Setenv("HOME", "/home/ada")
	t.Setenv("USERPROFILE", `C:\ada`)
	if dir, err := Home(); err != nil || filepath.Base(dir) != ".codex" || !filepath.IsAbs(dir) {
		t.Errorf("%s, %v", dir, err)
	}
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	if dir, err := Home(); err == nil {
		t.Errorf("without a home directory: %s", dir)
	}
	t.Setenv("CODEX_HOME", filepath.Join(t.TempDir(), "c"))
	if dir, err := Home(); err != nil || filepath.Base(dir) != "c" {
		t.Errorf("%s, %v", dir, err)
	}
}
