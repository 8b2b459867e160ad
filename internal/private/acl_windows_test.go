package private

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// TestMkdirIsPrivate: whatever the directory above hands down, only this user,
// the system and administrators get in.
func TestMkdirIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(dir); err != nil {
		t.Errorf("a new directory: %v", err)
	}
	if err := Mkdir(dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("once more: %v", err)
	}
	if err := MkdirAll(filepath.Join(dir, "a", "b")); err != nil {
		t.Errorf("below it: %v", err)
	}
}

// TestOpenAccessList: an entry for everybody is found, in a directory and in a
// file, and one without effect here is not.
func TestOpenAccessList(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	for list, open := range map[string]bool{
		"D:P(A;OICI;FA;;;WD)(A;OICI;FA;;;SY)": true,  // everybody
		"D:P(A;OICI;FR;;;WD)(A;OICI;FA;;;SY)": true,  // everybody may read
		"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)": false, // the system, administrators
		"D:P(A;OICI;FA;;;CO)(A;OICI;FA;;;BA)": false, // whoever makes it
	} {
		sd, err := windows.SecurityDescriptorFromString(list)
		if err != nil {
			t.Fatal(err)
		}
		acl, _, err := sd.DACL()
		if err != nil {
			t.Fatal(err)
		}
		err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
			windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil)
		if err != nil {
			t.Fatal(err)
		}
		var e *Exposed
		if err := CheckDir(dir); errors.As(err, &e) != open {
			t.Errorf("%s: %v", list, err)
		}
		info, err := os.Lstat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if open && e != nil && (e.Account == "" || e.Error() == "") {
			t.Errorf("%s: nobody is named", list)
		}
		t.Logf("%s: %v, %q", list, e, Writable(dir, info))
	}
}
