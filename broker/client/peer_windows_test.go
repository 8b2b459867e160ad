package client

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// TestSocketInAnOpenPlace: where everybody can put a socket, none is asked.
func TestSocketInAnOpenPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	sd, err := windows.SecurityDescriptorFromString("D:P(A;OICI;FA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	acl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := address{socket: filepath.Join(dir, "b.sock")}
	if _, err := a.dialSocket(t.Context(), &net.Dialer{}); !errors.Is(err, ErrNotBroker) {
		t.Errorf("error %v", err)
	}
}
