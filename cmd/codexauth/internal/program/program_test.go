//go:build unix

package program

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckTool(t *testing.T) {
	if err := checkTool("/bin/sh"); err != nil {
		t.Errorf("/bin/sh: %v", err)
	}
	for path, says := range map[string]string{
		filepath.Join(os.TempDir(), "codexauth"):             "temporary",
		"/home/ada/.cache/go-build123/b001/exe/codexauth":    "temporary",
		filepath.Join(string(filepath.Separator), "no/such"): "no such file",
	} {
		if err := checkTool(path); !errors.Is(err, errTool) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A temporary place has the name that a link to it leads to, too.
func TestTemporaryByALink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/usr", link); err != nil {
		t.Fatal(err)
	}
	if Temporary("/usr/codexauth") {
		t.Fatal("/usr is temporary")
	}
	t.Setenv("TMPDIR", link)
	if !Temporary("/usr/codexauth") || !Temporary(filepath.Join(link, "codexauth")) {
		t.Error("a temporary place is not known by both names")
	}
}

// Under sudo there is no $TMPDIR.
func TestTemporaryOfMacOS(t *testing.T) {
	t.Setenv("TMPDIR", "")
	for _, path := range []string{"/var/folders/zz/abc/T/codexauth", "/private/var/folders/zz/abc/T/codexauth"} {
		if !temporary(path, "darwin") || temporary(path, "linux") {
			t.Errorf("%s: %v on macOS, %v on Linux", path, temporary(path, "darwin"), temporary(path, "linux"))
		}
	}
}
