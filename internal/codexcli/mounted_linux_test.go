package codexcli

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// onMountPoint calls f where path is a mount point, as a file is that a container is
// given by itself. f must stay in its goroutine and end no test.
func onMountPoint(t *testing.T, path string, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, and its mounts, end with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		if err == nil {
			err = syscall.Mount(path, path, "", syscall.MS_BIND, "")
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("no mounts available: %v", err)
	}
}

func TestMountedConfig(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, ConfigFile)
	const before, after = "model = \"gpt-5 and some more\"\n", "short = true\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	onMountPoint(t, path, func() {
		if os.Rename(path, path+".away") == nil {
			t.Error("it can be renamed: this test shows nothing")
		}
		for _, text := range []string{after, ""} {
			c, err := ReadConfig(home)
			if err == nil {
				_, err = c.Replace(text, true)
			}
			if got, _ := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("it holds %q, %v; want %q", got, err, text)
			}
		}
	})
}

func TestMountedAuthIsWritten(t *testing.T) {
	path := authPath(t, "what was there")
	onMountPoint(t, path, func() {
		if _, err := WriteAuth(t.Context(), path, []byte("new"), []byte("what was there"), true); err != nil {
			t.Error(err)
		}
		if err := TakeBack(path, []byte("new"), []byte("what was there")); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "what was there" {
			t.Errorf("it holds %q, %v", got, err)
		}
	})
}
