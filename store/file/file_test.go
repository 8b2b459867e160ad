package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(func(dir string) (codexauth.Store, error) { return Open(dir) })
	playChild()
	os.Exit(m.Run())
}

func newPlace(t testing.TB) storetest.Place {
	dir := filepath.Join(t.TempDir(), "state", "codexauth")
	return storetest.Place{
		Name: dir,
		Open: func() codexauth.Store { return open(t, dir) },
		Overwrite: func(key string, record []byte) {
			if err := os.WriteFile(recordFile(t, dir, key), record, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return newPlace(t) })
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, newPlace(b)) }

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		open(b, dir)
	}
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func recordFile(t testing.TB, dir, key string) string {
	t.Helper()
	name, err := encodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, recordPrefix+name)
}

func mustClaim(t testing.TB, s *Store, key string) codexauth.Claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c, err := s.Claim(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release() })
	return c
}

func put(t testing.TB, s *Store, key, record string) {
	t.Helper()
	c := mustClaim(t, s, key)
	if err := c.Commit(t.Context(), []byte(record)); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
}

func wantLoad(t testing.TB, s *Store, key, want string) {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	if err != nil || string(got) != want {
		t.Fatalf("Load(%q) = %.80q, %v, want %q", key, got, err, want)
	}
}

// wantError checks what an error wraps and that it says all of the parts.
func wantError(t testing.TB, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want one that wraps %v", err, want)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
}

func TestString(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	put(t, open(t, dir), "other", "x")
	if got := open(t, dir+string(filepath.Separator)).String(); got != "file:"+dir {
		t.Errorf("String() = %q, want %q", got, "file:"+dir)
	}
	t.Chdir(filepath.Dir(dir))
	s := open(t, filepath.Base(dir))
	t.Chdir(dir) // a relative path means what it meant when it was opened
	put(t, s, "work", "x")
	if _, err := os.Lstat(recordFile(t, dir, "work")); err != nil {
		t.Error(err)
	}
}

func TestOpenNothing(t *testing.T) {
	if s, err := Open(""); err == nil {
		t.Errorf("Open of no directory = %v", s)
	}
}

// TestReadingCreatesNothing: looking for a credential leaves no trace.
func TestReadingCreatesNothing(t *testing.T) {
	parent := t.TempDir()
	s := open(t, filepath.Join(parent, "a", "b"))
	_, err := s.Load(t.Context(), "work")
	wantError(t, err, codexauth.ErrNotFound, "work", s.String())
	if keys, err := s.List(t.Context()); len(keys) != 0 || err != nil {
		t.Errorf("List = %q, %v", keys, err)
	}
	if entries, err := os.ReadDir(parent); len(entries) != 0 || err != nil {
		t.Errorf("something was created: %v, %v", entries, err)
	}
}

func TestDefaultDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Setenv("LocalAppData", `C:\state`)
		t.Setenv("CODEXAUTH_HOME", "")
		if got, err := DefaultDir(); got != `C:\state\codexauth` || err != nil {
			t.Errorf("DefaultDir = %q, %v", got, err)
		}
		return
	}
	inHome := "/home/me/.local/state/codexauth"
	inState := "/state/codexauth"
	if runtime.GOOS == "darwin" {
		inHome = "/home/me/Library/Application Support/codexauth"
		inState = inHome
	}
	for _, test := range []struct{ own, state, home, want string }{
		{"/own", "/state", "/home/me", "/own"},
		{"", "/state", "/home/me", inState},
		{"", "", "/home/me", inHome},
		{"", "relative", "/home/me", inHome},
		{"", "", "", ""},
		{"", "", "relative", ""},
	} {
		t.Setenv("CODEXAUTH_HOME", test.own)
		t.Setenv("XDG_STATE_HOME", test.state)
		t.Setenv("HOME", test.home)
		got, err := DefaultDir()
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("DefaultDir with %+v = %q, %v", test, got, err)
		}
		if err != nil && !(strings.Contains(err.Error(), "CODEXAUTH_HOME") && strings.Contains(err.Error(), "--store file:DIR")) {
			t.Errorf("the error %q does not say what to do", err)
		}
	}
	if _, err := Default(); err == nil {
		t.Error("Default without a home did not fail")
	}
	t.Setenv("CODEXAUTH_HOME", filepath.Join(t.TempDir(), "own"))
	if s, err := Default(); err != nil || s.String() != "file:"+os.Getenv("CODEXAUTH_HOME") {
		t.Errorf("Default = %v, %v", s, err)
	}
}

func TestTooLarge(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	largest := strings.Repeat("s", maxRecord)
	put(t, s, "work", largest)
	wantLoad(t, s, "work", largest)
	c := mustClaim(t, s, "work")
	if err := c.Commit(t.Context(), []byte(largest+"s")); err == nil || len(err.Error()) > 500 {
		t.Errorf("Commit of more than the limit: %.200v", err)
	}
	wantLoad(t, s, "work", largest)
	c.Release()

	path := recordFile(t, s.dir, "work")
	if err := os.WriteFile(path, []byte(largest+"s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "work"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Load of more than the limit: %v", err)
	}
	if c, err := s.Claim(t.Context(), "work"); err == nil {
		c.Release()
		t.Error("Claim of a record above the limit was granted")
	}
}

// TestVanished: a directory that went away under a claim is not made again, since
// it may be a volume that comes back with an old record.
func TestVanished(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	away := dir + "-away"
	s := open(t, dir)
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	if err := os.Rename(dir, away); err != nil {
		t.Skipf("the system does not move a directory with an open file: %v", err)
	}
	fail := func() {
		t.Helper()
		for op, err := range map[string]error{
			"commit": c.Commit(t.Context(), []byte("new")),
			"delete": c.Delete(t.Context()),
		} {
			wantError(t, err, fs.ErrNotExist, op, dir, "bring it back")
			if errors.Is(err, codexauth.ErrLost) {
				t.Errorf("%v should not be told as ErrLost", err)
			}
		}
		if _, err := c.Reload(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Reload: %v", err)
		}
		if string(c.Record()) != "old" {
			t.Errorf("Record() = %q", c.Record())
		}
	}
	fail()
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made again: %v", err)
	}

	if err := os.Mkdir(dir, 0o700); err != nil { // the mount point below a volume
		t.Fatal(err)
	}
	fail()
	if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
		t.Errorf("something was put into the other directory: %v, %v", entries, err)
	}

	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context(), []byte("new")); err != nil {
		t.Errorf("Commit after the directory came back: %v", err)
	}
	wantLoad(t, s, "work", "new")
}

func TestReleased(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	c := mustClaim(t, s, "work")
	c.Release()
	if err := c.Commit(t.Context(), []byte("x")); err == nil {
		t.Error("Commit after Release did not fail")
	}
	if err := c.Delete(t.Context()); err == nil {
		t.Error("Delete after Release did not fail")
	}
	if _, err := s.Load(t.Context(), "work"); !errors.Is(err, codexauth.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
}

// TestTornFiles: what dead writers left behind harms nobody, and goes once it is
// old enough. What is not ours stays.
func TestTornFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	put(t, open(t, dir), "work", "old")
	const young, old, foreign = ".codexauth-tmp-00000000000000aa", ".codexauth-tmp-00000000000000bb", "record-Foreign.bak"
	for _, name := range []string{young, old, foreign} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("to"), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != young {
			longAgo := time.Now().Add(-2 * staleAfter)
			if err := os.Chtimes(path, longAgo, longAgo); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := open(t, dir)
	wantLoad(t, s, "work", "old")
	put(t, s, "work", "new")
	wantLoad(t, s, "work", "new")
	if keys, err := s.List(t.Context()); len(keys) != 1 || err != nil {
		t.Errorf("List = %q, %v", keys, err)
	}
	for name, want := range map[string]bool{young: true, old: false, foreign: true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

// TestBusyNamesHolder also covers two Stores of one process.
func TestBusyNamesHolder(t *testing.T) {
	place := newPlace(t)
	holder := storetest.StartHolder(t, place)
	s := place.Open()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err := s.Claim(ctx, "shared")
	host, hostErr := os.Hostname()
	if hostErr != nil {
		t.Skip(hostErr)
	}
	wantError(t, err, codexauth.ErrBusy, "held by process "+strconv.Itoa(holder.Process.Pid), host, " since 20")

	mustClaim(t, open(t, place.Name), "mine")
	_, err = s.Claim(ctx, "mine")
	wantError(t, err, codexauth.ErrBusy, "held by process "+strconv.Itoa(os.Getpid()))
}
