package login

import (
	"errors"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/oauth"
)

// How a sign-in ends without a code, to branch on with errors.Is.
var (
	// ErrDenied: the person, or the server on their behalf, said no
	// (access_denied, RFC 6749 §4.1.2.1).
	ErrDenied = errors.New("access was denied")
	// ErrTimeout: nobody answered in time.
	ErrTimeout = errors.New("nobody signed in")
	// ErrPortsTaken: none of the redirect URI's ports can be listened on.
	ErrPortsTaken = errors.New("no port is free for the browser's answer")
	// ErrDeviceNotEnabled: the server gives out no device codes.
	ErrDeviceNotEnabled = oauth.ErrDeviceNotEnabled
)

// errLinkTwice: see [server.start].
var errLinkTwice = errors.New("the sign-in was ended, because the link that starts it was opened twice: somebody else on this machine may have used it; " +
	"sign in again, and if it happens again, open the address yourself (--no-browser) or use a device code (--device)")

// AuthorizationError is an error response of the authorization endpoint
// (RFC 6749 §4.1.2.1) to this attempt. It matches [ErrDenied] if its code is
// access_denied.
type AuthorizationError struct {
	Code        string // such as "access_denied"; safe to show
	Description string // the server's words, safe to show; may be empty
}

func (e *AuthorizationError) Error() string {
	msg := "the authorization server refused the sign-in: " + e.Code
	if e.Description != "" {
		msg += " (" + e.Description + ")"
	}
	return msg
}

// Is matches ErrDenied.
func (e *AuthorizationError) Is(target error) bool {
	return target == ErrDenied && e.Code == "access_denied"
}

func newAuthorizationError(code, description string) *AuthorizationError {
	return &AuthorizationError{Code: cleantext.Message(code), Description: cleantext.Message(description)}
}

// A rejection is why an answer does not count. It holds nothing of the answer.
type rejection string

func (r rejection) Error() string { return string(r) }

const (
	errOtherAttempt rejection = "this answer does not belong to the sign-in that is waiting"
	errUnreadable   rejection = "this answer can't be read"
	errRepeated     rejection = "this answer repeats a parameter"
	errOtherIssuer  rejection = "this answer comes from an authorization server that was not asked"
	errNoIssuer     rejection = "this answer does not say which authorization server it comes from"
	errNoCode       rejection = "this answer has neither a code nor an error"
	errBothKinds    rejection = "this answer has both a code and an error"
	errLinkUsed     rejection = "the link that starts this sign-in was opened a second time; if that was not you, cancel and sign in again"
	errStranger     rejection = "a program that had hung up already, or another user's, took part in the sign-in and was turned away"
	errPasteEmpty   rejection = "nothing was pasted"
	errPasteLong    rejection = "that is too long to be the address of a sign-in; copy the address from the browser's address bar"
)

// public makes a [codexauth.Error] of an error of internal/oauth.
func public(err error) error {
	e, ok := err.(*oauth.Error)
	if !ok {
		return err
	}
	return &codexauth.Error{
		Op: e.Op, Kind: e.Class.Err(), Status: e.Status, Code: e.Code, Description: e.Description,
		RetryAfter: e.RetryAfter, Err: e.Err,
	}
}
