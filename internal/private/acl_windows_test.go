package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"codexauth/internal/private/privatetest"
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
		if err := privatetest.SetList(dir, list); err != nil {
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
		how, err := Writable(dir, info)
		if err != nil {
			t.Errorf("%s: %v", list, err)
		}
		t.Logf("%s: %v, %q", list, e, how)
	}
}

func descriptorOf(t *testing.T, text string) *windows.SECURITY_DESCRIPTOR {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return sd
}

func TestForeign(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	if Foreign(dir, nil) || Foreign(filepath.Join(dir, "missing"), nil) {
		t.Error("one's own directory, or a missing one, is taken for another user's")
	}
	for text, want := range map[string]bool{
		"O:" + Me() + "D:(A;;FA;;;WD)": false, "O:SYD:(A;;FA;;;SY)": false, "O:BAD:(A;;FA;;;SY)": false,
		"O:WDD:(A;;FA;;;WD)": true, "D:(A;;FA;;;WD)": true,
	} {
		if got := foreign(descriptorOf(t, text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestUnreadableList: what can't be examined is told, and not refused; an owner can
// always read the list, so that one that is kept from us is another user's.
func TestUnreadableList(t *testing.T) {
	dir := t.TempDir()
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	const noPath = "no\x00path"
	if how, err := Writable(noPath, info); !errors.Is(err, ErrUnexamined) {
		t.Errorf("writable: %q, %v", how, err)
	}
	if err := Check(noPath, info); err != nil {
		t.Errorf("refused: %v", err)
	}
	kept := fmt.Errorf("%w: %w", ErrUnexamined, fs.ErrPermission)
	if err, exposed := judge(dir, "", kept), new(Exposed); !errors.As(err, &exposed) || exposed.Account == "" {
		t.Errorf("another user's: %v", err)
	}
	if how, err := Writable(filepath.Join(dir, "missing"), info); err != nil || how != "" {
		t.Errorf("a missing file: %q, %v", how, err)
	}
}

// TestRemedy: the command names accounts by number, which either shell passes on as it
// is, and takes out the entries that "/grant:r" would leave.
func TestRemedy(t *testing.T) {
	mine := "O:" + Me()
	const file = `C:\a b\file`
	grants := func(inherit string) string {
		return ` /inheritance:r /grant:r "*` + Me() + ":" + inherit + `F" "*S-1-5-18:` + inherit + `F" "*S-1-5-32-544:` + inherit + `F"`
	}
	for _, tt := range []struct {
		sd   *windows.SECURITY_DESCRIPTOR
		dir  bool
		want string
	}{
		{nil, true, `icacls "` + file + `"` + grants("(OI)(CI)")},
		{descriptorOf(t, mine+"D:(A;;FA;;;SY)"), false, `icacls "` + file + `"` + grants("")},
		{descriptorOf(t, mine+"D:(A;;FR;;;WD)(A;;FA;;;WD)(A;;FA;;;AU)(A;;FA;;;"+Me()+")"), false,
			`icacls "` + file + `"` + grants("") + ` /remove "*S-1-1-0" "*S-1-5-11"`},
		{descriptorOf(t, "O:WDD:(A;;FA;;;SY)"), false,
			`icacls "` + file + `" /setowner "*` + Me() + `" as an administrator, and then icacls "` + file + `"` + grants("")},
	} {
		if got := remedy(file, tt.dir, tt.sd); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
