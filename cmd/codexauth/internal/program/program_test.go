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
