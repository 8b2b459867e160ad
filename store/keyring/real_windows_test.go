package keyring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	keyrings "github.com/zalando/go-keyring"

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

// forget takes the key of the store in dir out of the Credential Manager.
func forget(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, pointerFile))
	if os.IsNotExist(err) {
		return // nothing was sealed
	}
	var item pointer
	if err == nil {
		err = json.Unmarshal(data, &item)
	}
	if err == nil {
		err = keyrings.Delete(service, item.Account)
	}
	if err != nil {
		t.Error(err)
	}
}
