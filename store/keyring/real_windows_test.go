package keyring

import (
	"testing"

	"codexauth/store/storetest"
)

// TestStore holds the contract with the Credential Manager of this user, and leaves
// nothing in it.
func TestStore(t *testing.T) {
	if err := Probe(t.Context()); err != nil {
		t.Skip("no Credential Manager here: ", err)
	}
	storetest.Run(t, func(t *testing.T) storetest.Place {
		place := newPlace(t)
		t.Cleanup(func() { forget(t, place.Name) })
		return place
	})
}
