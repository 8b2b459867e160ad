package codexauth

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"codexauth/internal/private"
	"codexauth/internal/private/privatetest"
)

// TestRescueDirectoryOfAStranger: in a directory that all users share, one that
// belongs to another user is passed by, and one's own that others can change is not:
// what waits there must not be missed.
func TestRescueDirectoryOfAStranger(t *testing.T) {
	place := rescuePlace{dir: filepath.Join(t.TempDir(), "codexauth-rescue-"+private.Me()), shared: true}
	place.base = filepath.Dir(place.dir)
	if err := private.Mkdir(place.dir); err != nil {
		t.Fatal(err)
	}
	everybody, err := windows.StringToSid("S-1-1-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := privatetest.SetList(place.dir, privatetest.Everybody); err != nil {
		t.Fatal(err)
	}
	var exposed *private.Exposed
	if _, err := (&Config{}).filesIn(place); !errors.As(err, &exposed) {
		t.Errorf("one's own that is open: %v", err)
	}
	err = windows.SetNamedSecurityInfo(place.dir, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION, everybody, nil, nil, nil)
	if err != nil {
		t.Skipf("this user can't give a directory away: %v", err)
	}
	if !private.Foreign(place.dir, nil) {
		t.Skip("a directory that was given away keeps its owner here, as under Wine")
	}
	if files, err := (&Config{}).filesIn(place); err != nil || len(files) != 0 {
		t.Errorf("a stranger's: %v, %v", files, err)
	}
	made, err := place.make()
	if err != nil || made.dir == place.dir {
		t.Fatalf("a stranger's is used: %+v, %v", made, err)
	}
	os.Remove(made.dir)
}
