//go:build unix

package keyring

import (
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	keyrings "github.com/zalando/go-keyring"
)

// playSecurity has the tool of macOS answer with item, a warning and code.
func playSecurity(t *testing.T, item, code string) (args string) {
	t.Helper()
	args = filepath.Join(t.TempDir(), "args")
	for name, value := range map[string]string{"ARGS": args, "ITEM": item, "EXIT": code,
		"WARNING": "objc[17]: Class X is implemented in both /usr/lib/a and /usr/lib/b.\n"} {
		t.Setenv("FAKE_"+name, value)
	}
	return args
}

func TestSecurityItem(t *testing.T) {
	const key = "AGE-SECRET-KEY-PQ-1"
	for _, item := range []string{base64Prefix + base64.StdEncoding.EncodeToString([]byte(key)), key} {
		args := playSecurity(t, item, "0")
		if got, err := securityItem("testdata/security", "codexauth /a b"); err != nil || got != key {
			t.Errorf("%q: %q, %v", item, got, err)
		}
		if got, err := os.ReadFile(args); err != nil || string(got) != "find-generic-password -s codexauth -wa codexauth /a b\n" {
			t.Errorf("it was run with %q (%v)", got, err)
		}
	}
	playSecurity(t, "", "44")
	if _, err := securityItem("testdata/security", "gone"); !errors.Is(err, keyrings.ErrNotFound) {
		t.Errorf("an item that is gone: %v", err)
	}
	playSecurity(t, "", "36")
	var exit *exec.ExitError
	if _, err := securityItem("testdata/security", "locked"); !errors.As(err, &exit) || kindOfExit(exit.ExitCode()) != ErrLocked {
		t.Errorf("a locked Keychain: %v", err)
	}
	playSecurity(t, base64Prefix+"c2Vjcm0*", "0")
	if _, err := securityItem("testdata/security", "odd"); err == nil || strings.Contains(err.Error(), "c2Vjcm") {
		t.Errorf("an item that was cut: %v", err)
	}
}
