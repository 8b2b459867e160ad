package doctor

import (
	"path/filepath"
	"strings"
	"testing"

	"codexauth/internal/private"
	"codexauth/internal/private/privatetest"
	"codexauth/store/file"
)

// TestStoreOpenToEverybody: doctor names who gets in, and a command that ends it.
func TestStoreOpenToEverybody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := private.Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	store, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := privatetest.SetList(dir, privatetest.Everybody); err != nil {
		t.Fatal(err)
	}
	d := doctorOf(t, store)
	d.Place.LockDir, d.Place.Store = dir, nil
	d.Store = "file:" + dir
	_, d.openErr = file.Open(dir)
	f := d.checkPrivate(t.Context())
	if f.state != stateProblem || !strings.Contains(f.remedy, `icacls "`+dir+`"`) || !strings.Contains(f.remedy, "*S-1-1-0") {
		t.Errorf("%+v", f)
	}
}
