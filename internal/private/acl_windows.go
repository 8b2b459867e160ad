package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"codexauth/internal/sharing"
)

// Owners knows nothing: Windows has no user numbers.
func Owners(fs.FileInfo) (owner, me int, known bool) { return 0, 0, false }

// Kept is what keeps a file from others.
const Kept = "access list"

// Me tells this user from others of this machine, in the name of a file: by the
// user number, on Windows by the security identifier.
func Me() string {
	me, err := thisUser()
	if err != nil {
		return "unknown"
	}
	return me.String()
}

func thisUser() (*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	return user.User.Sid, nil
}

// Rights of an access list's entry, besides those of x/sys.
const (
	addFile   = 0x2 // or write to a file
	addFolder = 0x4 // or append to a file
	anyRead   = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL
	replace   = windows.DELETE | fileDeleteChild | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL

	fileDeleteChild = 0x40
)

// check looks at owner and access list: both belong to this user, the system or
// administrators, or it is an [Exposed].
// An owner can always read the list: one that is kept from us is another user's.
// Where the file system tells nothing, nothing is refused; [Writable] says so.
func check(path string, _ fs.FileInfo) error {
	account, err := allowed(path, anyRead|addFile|addFolder|replace)
	return judge(path, account, err)
}

func judge(path, account string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		account = "another user, who keeps its access list from this one"
	case errors.Is(err, ErrUnexamined):
		return nil
	case err != nil:
		return err
	}
	if account != "" {
		return &Exposed{Path: path, Account: account}
	}
	return nil
}

// Writable says who could change what is at path, or put something else in its
// place. New folders in a folder (C:\ lets everybody make some) do no harm.
func Writable(path string, info os.FileInfo) (how string, err error) {
	rights := windows.ACCESS_MASK(addFile | replace)
	if !info.IsDir() {
		rights |= addFolder
	}
	account, err := allowed(path, rights)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil || account == "" {
		return "", err
	}
	return "can be changed by " + account, nil
}

// allowed names an account other than the trusted ones that owns what is at path,
// or has one of these rights; "" if there is none.
func allowed(path string, rights windows.ACCESS_MASK) (account string, err error) {
	var sd *windows.SECURITY_DESCRIPTOR
	err = sharing.Retry(func() (err error) { // what is just being replaced lets nobody look
		sd, err = descriptor(path)
		return err
	})
	if err != nil {
		err = &fs.PathError{Op: "read the access list of", Path: path, Err: err}
		if errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", fmt.Errorf("%w: %w", ErrUnexamined, err)
	}
	me, err := thisUser()
	if err != nil {
		return "", err
	}
	if owner, other := ownerOf(sd, me); other {
		return name(owner), nil
	}
	list, _, err := sd.DACL()
	if err != nil || list == nil { // no list at all lets everybody in
		return "everybody", nil
	}
	entries, err := strangers(list, me)
	for _, entry := range entries {
		if entry.Mask&rights != 0 && entry.Header.AceFlags&windows.INHERIT_ONLY_ACE == 0 {
			return name(sidOf(entry)), nil
		}
	}
	return "", err
}

// descriptor is the owner and the access list of what is at path.
func descriptor(path string) (*windows.SECURITY_DESCRIPTOR, error) {
	return windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
}

// ownerOf is who owns a thing, nil where nobody is named, and whether that is another
// account than the trusted ones.
func ownerOf(sd *windows.SECURITY_DESCRIPTOR, me *windows.SID) (owner *windows.SID, other bool) {
	owner, _, err := sd.Owner()
	if err != nil || owner == nil {
		return nil, true
	}
	return owner, !trusted(owner, me)
}

// Foreign reports whether what is at path is another user's. An owner can always
// read the access list, so that one that is kept from us is somebody else's.
func Foreign(path string, _ fs.FileInfo) bool {
	sd, err := descriptor(path)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	return foreign(sd)
}

func foreign(sd *windows.SECURITY_DESCRIPTOR) bool {
	me, err := thisUser()
	if err != nil {
		return false
	}
	_, other := ownerOf(sd, me)
	return other
}

// strangers are the entries of an access list that let an account in, other than the
// trusted ones; also those that are only for what will be made below. With an error
// they are those before the one that could not be read.
func strangers(list *windows.ACL, me *windows.SID) (entries []*windows.ACCESS_ALLOWED_ACE, err error) {
	const callback = 9 // ACCESS_ALLOWED_CALLBACK_ACE begins alike
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return entries, err
		}
		kind := entry.Header.AceType
		if (kind == windows.ACCESS_ALLOWED_ACE_TYPE || kind == callback) && !trusted(sidOf(entry), me) {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// sidOf is whom an entry lets in.
func sidOf(entry *windows.ACCESS_ALLOWED_ACE) *windows.SID {
	return (*windows.SID)(unsafe.Pointer(&entry.SidStart))
}

// trusted reports whether an account is this user, or one that could do anything
// anyway.
func trusted(sid, me *windows.SID) bool {
	const (
		creatorOwner     = "S-1-3-0"
		ownerRights      = "S-1-3-4"
		trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
		containers       = "S-1-15-" // take rights away from a user's program, and give none
	)
	if sid.Equals(me) || sid.IsWellKnown(windows.WinLocalSystemSid) || sid.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return true
	}
	text := sid.String()
	return text == creatorOwner || text == ownerRights || text == trustedInstaller || strings.HasPrefix(text, containers)
}

func name(sid *windows.SID) string {
	if sid == nil {
		return "somebody unknown"
	}
	account, domain, _, err := sid.LookupAccount("")
	if err != nil {
		return sid.String()
	}
	if domain != "" {
		return domain + `\` + account
	}
	return account
}

// mkdir makes a directory that only this user, the system and administrators may
// enter, whatever the one above it hands down.
func mkdir(dir string) error {
	fail := func(err error) error { return &fs.PathError{Op: "mkdir", Path: dir, Err: err} }
	me, err := thisUser()
	if err != nil {
		return fail(err)
	}
	user := me.String()
	const everything = "(A;OICI;FA;;;%s)"
	sd, err := windows.SecurityDescriptorFromString("O:" + user + "D:P" +
		fmt.Sprintf(everything+everything+everything, user, "SY", "BA"))
	if err != nil {
		return fail(err)
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return fail(err)
	}
	attributes := &windows.SecurityAttributes{SecurityDescriptor: sd}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	if err := windows.CreateDirectory(path, attributes); err != nil {
		return fail(err)
	}
	return nil
}
