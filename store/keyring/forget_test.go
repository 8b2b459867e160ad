//go:build darwin || windows

package keyring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	keyrings "github.com/zalando/go-keyring"
)

// forget takes the key of the store in dir out of the keyring.
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
