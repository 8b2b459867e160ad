//go:build unix

package ownstore

import (
	"os"
	"testing"

	"codexauth"
	"codexauth/examples/internal/try"
	"codexauth/store/storetest"
)

func TestMain(m *testing.M) {
	// The suite starts this test again as other processes, which open a place by its name.
	storetest.Main(func(name string) (codexauth.Store, error) { return Store(name), nil })
	os.Exit(m.Run())
}

// The contract, in executable form.
func TestOwnStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		store := Store(t.TempDir())
		return storetest.Place{
			Name: string(store),
			Open: func() codexauth.Store { return store },
			Overwrite: func(key string, record []byte) {
				path := store.path(key, ".record")
				if record == nil {
					os.Remove(path)
				} else if err := os.WriteFile(path, record, 0o600); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

func TestManagerOnOwnStore(t *testing.T) {
	m, srv := try.SignedIn(t, Store(t.TempDir()))
	first, err := m.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next, err := m.Refresh(t.Context())
	if err != nil || next.AccessToken.Equal(first.AccessToken) {
		t.Errorf("no new token: %v", err)
	}
	if c := srv.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
}
