package seal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// secretVolume puts a key into dir as the kubelet does, and returns the path that a
// service is told.
func secretVolume(t *testing.T, dir, generation, key string, mode os.FileMode) (path string) {
	t.Helper()
	files := filepath.Join(dir, generation)
	must(t, os.Mkdir(files, 0o755))
	must(t, os.WriteFile(filepath.Join(files, "key"), []byte(key+"\n"), 0o600))
	must(t, os.Chmod(filepath.Join(files, "key"), mode))
	must(t, os.RemoveAll(filepath.Join(dir, "..data")))
	must(t, os.Symlink(generation, filepath.Join(dir, "..data")))
	path = filepath.Join(dir, "key")
	if err := os.Symlink(filepath.Join("..data", "key"), path); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opens reports whether a record can be sealed with the key at path.
func opens(path string) error {
	s, err := OpenFile(path, UI{})
	if err != nil {
		return err
	}
	_, err = s.Seal([]byte("{}"))
	return err
}

// TestCredentialOfSystemd: 0440 and root's, in the directory that systemd names.
func TestCredentialOfSystemd(t *testing.T) {
	path := keyFile(t, hybridLine(t))
	must(t, os.Chmod(path, 0o440))
	wantErr(t, opens(path), ErrIdentity, "chmod 600")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	if err := opens(path); err != nil {
		t.Errorf("a credential: %v", err)
	}
	for _, mode := range []os.FileMode{0o444, 0o460} {
		must(t, os.Chmod(path, mode))
		wantErr(t, opens(path), ErrIdentity, "chmod 600")
	}
	must(t, os.Chmod(path, 0o440))
	must(t, os.Chmod(filepath.Dir(path), 0o777))
	wantErr(t, opens(path), ErrIdentity)
	must(t, os.Chmod(filepath.Dir(path), 0o700))
	if os.Geteuid() != 0 {
		return
	}
	must(t, os.Chown(path, 65534, 0))
	wantErr(t, opens(path), ErrIdentity, "LoadCredential=")
}

// TestKubernetesSecret: behind the links of the kubelet, which swaps one of them
// when the Secret changes. The volume is open to all, and read-only.
func TestKubernetesSecret(t *testing.T) {
	dir := t.TempDir()
	path := secretVolume(t, dir, "..2026_1", hybridLine(t), 0o440)
	if err := opens(path); err != nil {
		t.Errorf("a file of a Secret: %v", err)
	}
	s := openFile(t, path, UI{})
	secretVolume(t, dir, "..2026_2", hybridLine(t), 0o440)
	if _, err := s.Seal([]byte("{}")); err != nil {
		t.Errorf("after the Secret has changed: %v", err)
	}
	secretVolume(t, dir, "..2026_3", hybridLine(t), 0o644)
	wantErr(t, opens(path), ErrIdentity, "defaultMode: 0440")
	must(t, os.Chmod(filepath.Join(dir, "..2026_3", "key"), 0o440))
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	wantErr(t, opens(path), ErrIdentity) // anybody could put another link there
	if err := readOnlyVolume(dir, func() error { return opens(path) }); errors.Is(err, syscall.EPERM) {
		t.Skip("no mounts available")
	} else if err != nil {
		t.Errorf("in a volume that is read-only: %v", err)
	}
	outside := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(outside, []byte(hybridLine(t)+"\n"), 0o440))
	must(t, os.Chmod(dir, 0o700))
	must(t, os.Remove(path))
	must(t, os.Symlink(outside, path))
	wantErr(t, opens(path), ErrIdentity, "symbolic link") // not of the volume
}

// readOnlyVolume calls f in a thread that sees dir as a read-only volume.
func readOnlyVolume(dir string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, and its mounts, end with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		if err == nil {
			err = syscall.Mount(dir, dir, "", syscall.MS_BIND, "")
		}
		if err == nil {
			err = syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}
