//go:build unix

package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"codexauth"
)

// The variables that make this test binary a child process with a part in a test.
const (
	partVar = "CODEXAUTH_FILE_TEST_PART"
	dirVar  = "CODEXAUTH_FILE_TEST_DIR"
)

// playChild plays the part that the environment asks for, if any, and exits.
func playChild() {
	name := os.Getenv(partVar)
	if name == "" {
		return
	}
	part, ok := childParts()[name]
	if !ok {
		fmt.Println("unknown part", name)
		os.Exit(2)
	}
	if err := part(os.Getenv(dirVar)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("done")
	os.Exit(0)
}

func newChild(t *testing.T, part, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), partVar+"="+part, dirVar+"="+dir,
		"GORACE=atexit_sleep_ms=0") // or the race detector adds a second to every exit
	return cmd
}

// runChild plays the part in a process of its own, which fails the test if it
// does not finish.
func runChild(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	// With -cover, the runtime may complain after the part has ended.
	if err != nil || !bytes.HasPrefix(out, []byte("done\n")) {
		t.Errorf("child: %v: %s", err, out)
	}
}

// commitIn stores a record in a child, where there is no testing.T.
func commitIn(s *Store, key, record string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := s.Claim(ctx, key)
	if err != nil {
		return err
	}
	defer c.Release()
	return c.Commit(ctx, []byte(record))
}

// storeWith opens a store in dir whose key "work" has the record.
func storeWith(dir, record string) (*Store, error) {
	s, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return s, commitIn(s, "work", record)
}

// claimed has the claim of "work" in such a store.
func claimed(dir, record string) (*Store, codexauth.Claim, error) {
	s, err := storeWith(dir, record)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.Claim(context.Background(), "work")
	return s, c, err
}

// expectLoad checks a record in a child.
func expectLoad(s *Store, key, want string) error {
	got, err := s.Load(context.Background(), key)
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("Load(%q) = %.80q, want %.80q", key, got, want)
	}
	return nil
}
