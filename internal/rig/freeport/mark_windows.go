package freeport

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// mark takes a port's number by a named object of the session. A UDP socket, as
// elsewhere, is more than Wine has: Go sets options that it does not know.
func mark(port int) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(fmt.Sprintf(`Local\codexauth-test-port-%d`, port))
	if err != nil {
		return 0, err
	}
	sign, err := windows.CreateMutex(nil, false, name)
	if err != nil && sign != 0 { // it is another process's
		windows.CloseHandle(sign)
	}
	return sign, err
}
