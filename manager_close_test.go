package codexauth_test

import (
	"errors"
	"testing"

	"codexauth"
	"codexauth/store/memory"
)

var errClosed = errors.New("closed")

type closing struct{ *memory.Store }

func (closing) Close() error { return errClosed }

// Close closes the store of a Manager that was told to, and no other's.
func TestCloseStore(t *testing.T) {
	for close, want := range map[bool]error{false: nil, true: errClosed} {
		m, err := codexauth.NewManager(codexauth.Config{Store: closing{memory.New()}, CloseStore: close})
		must(t, err)
		if err := m.Close(); !errors.Is(err, want) {
			t.Errorf("CloseStore %v: %v", close, err)
		}
	}
	m, err := codexauth.NewManager(codexauth.Config{Store: memory.New(), CloseStore: true})
	must(t, err)
	must(t, m.Close())
}
