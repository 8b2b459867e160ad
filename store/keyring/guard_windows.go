package keyring

import (
	"context"
	"errors"
	"syscall"
)

// ready has nothing to look at: the Credential Manager is a part of the system
// and asks nobody.
func (o Options) ready(context.Context) error { return nil }

func kindOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return kindOfErrno(uintptr(errno))
	}
	return nil
}
