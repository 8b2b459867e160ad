package statedir

import (
	"path/filepath"
	"testing"
)

func TestLocalAppData(t *testing.T) {
	mine := t.TempDir()
	t.Setenv("LocalAppData", mine)
	if dir, err := Dir(); dir != mine || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
	for _, none := range []string{"", "here", `\rooted`, filepath.Base(mine)} {
		t.Setenv("LocalAppData", none)
		if dir, err := Dir(); err == nil {
			t.Errorf("%q is the directory for %q", dir, none)
		}
		if dir, err := CacheDir(); err == nil {
			t.Errorf("%q is the cache for %q", dir, none)
		}
	}
}
