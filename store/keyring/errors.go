package keyring

import (
	"context"
	"errors"
	"fmt"

	keyrings "github.com/zalando/go-keyring"

	"codexauth/internal/cleantext"
)

// Why there is no key. Each error that wraps one says what to do.
var (
	// ErrUnavailable: this session has no keyring. Over SSH, in a container or
	// from cron that is usual.
	ErrUnavailable = errors.New("there is no keyring here")
	// ErrLocked: the keyring wants its password, and nobody gave it in time.
	ErrLocked = errors.New("the keyring is locked")
	// ErrTimeout: the keyring is there and did not answer in time.
	ErrTimeout = errors.New("the keyring does not answer")
	// ErrDenied: the keyring, or the person whom it asked, said no.
	ErrDenied = errors.New("the keyring refused")
	// ErrMissing: the keyring has no such key (any more).
	ErrMissing = errors.New("the key is not in the keyring")
)

// advice says what to do where that does not depend on the case.
func advice(kind error) string {
	switch kind {
	case ErrUnavailable:
		return "where there is none, as over SSH, in a container or from cron, use a file store and seal it with a key file"
	case ErrLocked:
		return "unlock it (sign in at the desktop, or open its password manager) and try again, or use a file store and seal it with a key file"
	case ErrTimeout:
		return "end and restart the program that keeps it, or sign in at the desktop again"
	case ErrDenied:
		return "allow it when the keyring asks, or check the settings of its password manager"
	}
	return "try again"
}

// refuse makes an error of a kind, with what is known of the case.
func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s; %s", kind, fmt.Sprintf(format, args...), advice(kind))
}

// explain turns an error from the keyring into one of ours.
func explain(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), isOurs(err):
		return err
	case errors.Is(err, keyrings.ErrNotFound):
		return ErrMissing
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(ErrTimeout, "no answer came in time")
	case errors.Is(err, keyrings.ErrUnsupportedPlatform):
		return refuse(ErrUnavailable, "no keyring is known for this system")
	}
	// Only its words are kept, since it is from another program.
	words := cleantext.Message(err.Error())
	if kind := kindOf(err); kind != nil {
		return refuse(kind, "%s", words)
	}
	return fmt.Errorf("the keyring failed: %s", words)
}

func isOurs(err error) bool {
	for _, kind := range []error{ErrUnavailable, ErrLocked, ErrTimeout, ErrDenied, ErrMissing} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// kindOfExit tells what the exit code of macOS' security command means: it is
// the low byte of a negative OSStatus (SecBase.h).
func kindOfExit(code int) error {
	switch code {
	case 36: // errSecInteractionNotAllowed, -25308: locked, and no window to ask in
		return ErrLocked
	case 37, 50: // errSecNoDefaultKeychain, -25307; errSecNoSuchKeychain, -25294
		return ErrUnavailable
	case 51, 128: // errSecAuthFailed, -25293; errSecUserCanceled, -128
		return ErrDenied
	case 44: // errSecItemNotFound, -25300
		return ErrMissing
	}
	return nil
}

// kindOfErrno tells what an error of Windows' credential functions means
// (WinError.h).
func kindOfErrno(n uintptr) error {
	switch n {
	case 1312: // ERROR_NO_SUCH_LOGON_SESSION: a network logon, as over SSH with a key
		return ErrUnavailable
	case 5, 1223: // ERROR_ACCESS_DENIED, ERROR_CANCELLED
		return ErrDenied
	case 1168: // ERROR_NOT_FOUND
		return ErrMissing
	}
	return nil
}
