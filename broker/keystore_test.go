package broker

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/reserved"
	"codexauth/store/file"
	"codexauth/store/memory"
)

// Keys in a store are those of every broker of it: added, changed and revoked ones
// count everywhere within seconds, also after the store was away.
func TestKeysInAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := &awayStore{Store: memory.New()}
		home := KeyStore{away}
		ctx, cancel := context.WithCancel(t.Context())
		one, two := new(Keys), new(Keys)
		two.Pending()
		done := make(chan bool, 2)
		for _, ks := range []*Keys{one, two} {
			go func() { home.Watch(ctx, ks, slog.New(slog.DiscardHandler)); done <- true }()
		}
		synctest.Wait()
		text, k := newKey(t, "ci", nil)
		set := func(list ...Key) {
			t.Helper()
			if err := home.Change(ctx, func([]Key) ([]Key, error) { return list, nil }); err != nil {
				t.Fatal(err)
			}
		}
		set(k)
		time.Sleep(3 * time.Second)
		for _, ks := range []*Keys{one, two} {
			if ks.find(text, time.Now()) == nil || ks.unread.Load() {
				t.Error("a key that was added is not taken")
			}
		}
		two.find(text, time.Now()).used.Store(time.Now().Unix())
		away.gone.Store(true)
		time.Sleep(time.Minute)
		if one.find(text, time.Now()) == nil {
			t.Error("the store is away, and with it the keys")
		}
		if _, err := home.Load(ctx); !errors.Is(err, errAway) || errors.Is(err, ErrKeyFile) {
			t.Errorf("away: %v", err)
		}
		away.gone.Store(false)
		set()
		time.Sleep(3 * time.Second)
		if one.find(text, time.Now()) != nil || two.find(text, time.Now()) != nil {
			t.Error("a revoked key is taken")
		}
		set(k)
		time.Sleep(3 * time.Second)
		two.find(text, time.Now()).used.Store(time.Now().Unix())
		time.Sleep(2 * time.Minute)
		lastUsed, err := home.LastUsed(ctx)
		if err != nil || lastUsed(k).IsZero() {
			t.Errorf("last used: %v %v", lastUsed(k), err)
		}
		cancel()
		<-done
		<-done
	})
}

// A reader of keys that can't be read yet is asked to come again, not turned away.
func TestKeysThatAreNotReadYet(t *testing.T) {
	r := newRig(t, nil)
	r.keys.Pending()
	if status, text, _ := r.ask("GET", "/v1/models", "", "Authorization", "Bearer codexauth_AAAA"); status != 503 {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := r.ask("GET", "/v1/models", ""); status != 200 {
		t.Errorf("a key that is known: %d", status)
	}
}

// No login can have the name under which keys are kept, and in a store of files they
// are beside the logins.
func TestKeysAreNoLogin(t *testing.T) {
	store, err := file.Open(filepath.Join(t.TempDir(), "private"))
	if err != nil {
		t.Fatal(err)
	}
	_, k := newKey(t, "ci", nil)
	if err := (KeyStore{store}).Change(t.Context(), func(list []Key) ([]Key, error) { return append(list, k), nil }); err != nil {
		t.Fatal(err)
	}
	if list, err := (KeyStore{store}).Load(t.Context()); err != nil || len(list) != 1 || !list[0].same(k) {
		t.Errorf("%+v %v", list, err)
	}
	names, err := store.List(t.Context())
	if err != nil || len(names) != 1 || len(reserved.Without(names)) != 0 {
		t.Errorf("%q %v", names, err)
	}
	if _, err := codexauth.NewManager(codexauth.Config{Store: store, Key: names[0]}); err == nil {
		t.Error("a login can have the name")
	}
}
