package doctor

import (
	"io/fs"
	"strings"
	"testing"

	"codexauth/internal/private"
)

// TestUnexaminedIsNotPrivate: what can't be examined is not called private.
func TestUnexaminedIsNotPrivate(t *testing.T) {
	dir := t.TempDir()
	kept := func(string, fs.FileInfo) (string, error) { return "", private.ErrUnexamined }
	if f := onTheWay(dir, kept); f.state != stateSkipped || !strings.Contains(f.detail, "not examined") {
		t.Errorf("%+v", f)
	}
	ours := func(string, fs.FileInfo) (string, error) { return "", nil }
	if f := onTheWay(dir, ours); f.state != stateOK {
		t.Errorf("%+v", f)
	}
}
