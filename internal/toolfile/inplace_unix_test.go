//go:build unix

package toolfile

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What stood in a file is put back where there is room for a part of the new content
// only. A limit on the length of files is this process's, so another one plays it.
func TestWriteInPlacePutsBackWhatStoodThere(t *testing.T) {
	const variable, old = "CODEXAUTH_TOOLFILE_TEST_PATH", "model = \"theirs\"\n"
	if path := os.Getenv(variable); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 100, Max: 100}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		if err := WriteInPlace(path, []byte(strings.Repeat("ours\n", 100))); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%v, want %v", err, syscall.EFBIG)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != old {
		t.Errorf("the file has %q, %v; want what stood there", got, err)
	}
}
