package broker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyFile(t *testing.T) {
	f := KeyFile(filepath.Join(t.TempDir(), "private", "keys.json"))
	if keys, err := f.Load(t.Context()); err != nil || keys != nil {
		t.Fatalf("no file: %v %v", keys, err)
	}
	text, k, err := NewKey("ci")
	if err != nil {
		t.Fatal(err)
	}
	k.Lease, k.Expires = true, time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	add := func(k Key) func([]Key) ([]Key, error) {
		return func(keys []Key) ([]Key, error) { return append(keys, k), nil }
	}
	if err := f.Change(t.Context(), add(k)); err != nil {
		t.Fatal(err)
	}
	if err := f.Change(t.Context(), add(k)); !errors.Is(err, ErrKeyName) {
		t.Errorf("the same name twice: %v", err)
	}
	if keys, err := f.Load(t.Context()); err != nil || len(keys) != 1 || !keys[0].same(k) {
		t.Errorf("%+v %v", keys, err)
	}
	edited, err := os.ReadFile(string(f))
	if err == nil {
		err = os.WriteFile(string(f), append([]byte("\ufeff"), edited...), 0o600) // as an editor on Windows leaves it
	}
	if keys, loadErr := f.Load(t.Context()); err != nil || loadErr != nil || len(keys) != 1 {
		t.Errorf("with a byte order mark: %+v %v %v", keys, err, loadErr)
	}
	content, err := os.ReadFile(string(f))
	if err != nil || strings.Contains(string(content), text) {
		t.Errorf("the file holds the key, or %v", err)
	}
	if info, err := os.Stat(string(f)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "[]", `{"keys":[{"name":"a","sha256":"ab"}]}`, `{"keys":[{"name":"a","sha256":"` + strings.Repeat("zz", 32) + `"}]}`,
		`{"keys":[{"name":"a b","sha256":"` + strings.Repeat("ab", 32) + `"}]}`, `{"keys":[{"name":"a","limit":1,"sha256":"` + strings.Repeat("ab", 32) + `"}]}`} {
		if err := os.WriteFile(string(f), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if keys, err := f.Load(t.Context()); !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrKeyName) {
			t.Errorf("%s: %v %v", bad, keys, err)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(string(f), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context()); !errors.Is(err, ErrKeyFile) {
		t.Errorf("a file open to others: %v", err)
	}
}

func TestReplaceKeepsWhatIsUnchanged(t *testing.T) {
	ks := new(Keys)
	var list []Key
	for _, name := range []string{"a", "b", "c"} {
		_, k, err := NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	if err := ks.Replace(list); err != nil {
		t.Fatal(err)
	}
	a, b, c := ks.list[0], ks.list[1], ks.list[2]
	list[1].Lease = true
	if err := ks.Replace(append(list, list[0])); !errors.Is(err, ErrKeyName) || b.ended != nil {
		t.Errorf("a name twice: %v", err)
	}
	if err := ks.Replace(list[:2]); err != nil {
		t.Fatal(err)
	}
	if a.ended != nil || ks.list[0] != a {
		t.Error("an unchanged key lost what it had under way")
	}
	if b.ended == nil || c.ended == nil || !ks.list[1].Lease {
		t.Error("a changed or missing key goes on")
	}
}

// A running broker follows its file, and no mistake in the file opens or shuts it.
func TestWatch(t *testing.T) {
	f := KeyFile(filepath.Join(t.TempDir(), "private", "keys.json"))
	synctest.Test(t, func(t *testing.T) {
		ks := new(Keys)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Watch(ctx, ks, slog.New(slog.DiscardHandler)); close(done) }()
		synctest.Wait()
		text, k, err := NewKey("late")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Change(ctx, func([]Key) ([]Key, error) { return []Key{k}, nil }); err != nil {
			t.Fatal(err)
		}
		held := ks.find(text, time.Now())
		if held == nil {
			t.Fatal("a new key is not taken at once")
		}
		if ks.find("another", time.Now()) != nil {
			t.Error("a key that is in no file is taken")
		}
		settle := func() { time.Sleep(2 * time.Second); synctest.Wait() } // of the bubble's clock
		if err := os.WriteFile(string(f), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		settle()
		if ended(held) {
			t.Error("a torn file ended a key")
		}
		if err := os.Remove(string(f)); err != nil {
			t.Fatal(err)
		}
		settle()
		if !ended(held) || ks.find(text, time.Now()) != nil {
			t.Error("a file that is gone leaves its keys")
		}
		cancel()
		<-done
	})
}

func ended(h *heldKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended != nil
}

// What could not be read when it changed is tried again until it can be: it may
// be that a key was revoked.
func TestRevocationThatCouldNotBeReadAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there, so that no file can be made unreadable by one")
	}
	f := KeyFile(filepath.Join(t.TempDir(), "private", "keys.json"))
	text, k, err := NewKey("lost")
	if err != nil {
		t.Fatal(err)
	}
	put := func(keys ...Key) {
		if err := f.Change(t.Context(), func([]Key) ([]Key, error) { return keys, nil }); err != nil {
			t.Fatal(err)
		}
	}
	put(k)
	synctest.Test(t, func(t *testing.T) {
		ks, log := new(Keys), &lockedBuffer{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Watch(ctx, ks, slog.New(slog.NewTextHandler(log, nil))); close(done) }()
		settle := func() { time.Sleep(3 * time.Second); synctest.Wait() }
		settle()
		held := ks.find(text, time.Now())
		if held == nil {
			t.Fatal("the key is not taken")
		}
		put()
		if err := os.Chmod(string(f), 0o644); err != nil { // which is refused, also to root
			t.Fatal(err)
		}
		settle()
		if ended(held) {
			t.Fatal("the file was read all the same")
		}
		if err := os.Chmod(string(f), 0o600); err != nil { // and nothing else about it has changed
			t.Fatal(err)
		}
		settle()
		if !ended(held) {
			t.Error("the key's revocation is lost")
		}
		if n := strings.Count(log.String(), "read again every second"); n != 1 {
			t.Errorf("told %d times: %s", n, log)
		}
		cancel()
		<-done
	})
}
