//go:build unix

package private

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWritable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o755: "", 0o700: "", 0o757: "every user", 0o702: "every user", os.ModeSticky | 0o777: "every user",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Writable(path, info); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("mode %v: %q, want %q", mode, got, want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user or group")
	}
	for _, tt := range []struct {
		uid, gid int
		mode     os.FileMode
		want     string
	}{
		{65534, 0, 0o755, "another user"},
		{0, 65534, 0o775, "its group"},
		{0, 0, 0o775, ""},
	} {
		if err := os.Chown(path, tt.uid, tt.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Writable(path, info); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
