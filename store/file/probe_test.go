package file

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"codexauth"
)

// A probe tells who holds a claim, takes nothing and writes nothing.
func TestProbe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	if err := s.Probe("work"); err != nil {
		t.Errorf("before there is a store: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the probe made the store")
	}
	put(t, s, "work", "x")
	before := contents(t, dir)
	for range 2 {
		if err := s.Probe("work"); err != nil {
			t.Errorf("a free claim: %v", err)
		}
	}
	if err := s.Probe("other"); err != nil {
		t.Errorf("a key without a lock file: %v", err)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("the probe changed %q into %q", before, after)
	}
	c := mustClaim(t, s, "work")
	before = contents(t, dir) // with the holder's line
	wantError(t, open(t, dir).Probe("work"), codexauth.ErrBusy, "process "+strconv.Itoa(os.Getpid()))
	if err := s.Probe("other"); err != nil {
		t.Errorf("another key: %v", err)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("the probe of a held claim changed %q into %q", before, after)
	}
	if err := c.Commit(t.Context(), []byte("y")); err != nil {
		t.Errorf("the probe disturbed the claim: %v", err)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
	if err := s.Probe("work"); err != nil {
		t.Errorf("after the release: %v", err)
	}
	mustClaim(t, s, "work") // the probe holds nothing back
}

// contents is every file of dir and what it holds.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text += e.Name() + " " + string(data) + "\n"
	}
	return text
}
