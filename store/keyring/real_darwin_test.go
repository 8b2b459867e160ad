package keyring

import (
	"os"
	"testing"

	"codexauth/store/storetest"
)

// TestStore holds the contract with the Keychain of this user, and leaves nothing in
// it. Whoever runs it says so, since a locked one asks for a password on the screen.
func TestStore(t *testing.T) {
	if os.Getenv("CODEXAUTH_TEST_KEYCHAIN") == "" {
		t.Skip("CODEXAUTH_TEST_KEYCHAIN=1 has it use your Keychain")
	}
	if err := Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t *testing.T) storetest.Place {
		place := newPlace(t)
		t.Cleanup(func() { forget(t, place.Name) })
		return place
	})
}
