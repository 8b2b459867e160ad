package codexauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"codexauth/internal/frame"
	"codexauth/internal/oauth"
)

// Error is a request that the authorization server or the backend refused, did not
// answer, or answered unreadably. It holds no body, header or token.
type Error struct {
	Op string // "refresh", "exchange", "revoke", "discovery", "device sign-in" or "usage"
	// Kind is what it means for the login: [ErrRefused], [ErrTransient],
	// [ErrUnknownOutcome] or [ErrRequest]. errors.Is matches it, and
	// [ErrRateLimited] where Status is 429.
	Kind        error
	Status      int           // HTTP status; 0 if there was no answer
	Code        string        // the server's error code in lower case, if it gave one
	Description string        // the server's words, safe to show
	RetryAfter  time.Duration // how long the server asked to wait; 0 if it did not
	Err         error         // the cause, if there was no answer or it could not be read
}

func (e *Error) Error() string {
	return (&oauth.Error{Op: e.Op, Status: e.Status, Code: e.Code, Description: e.Description, Err: e.Err}).Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Is matches Kind, and ErrRateLimited.
func (e *Error) Is(target error) bool {
	return target == e.Kind || target == ErrRateLimited && e.Status == http.StatusTooManyRequests
}

// public makes an [Error] of an error of internal/oauth: whoever uses this package
// can name no other.
func public(err error) error {
	e, ok := err.(*oauth.Error)
	if !ok {
		return err
	}
	return &Error{
		Op: e.Op, Kind: e.Class.Err(), Status: e.Status, Code: e.Code, Description: e.Description,
		RetryAfter: e.RetryAfter, Err: e.Err,
	}
}

// The meaning of an error for the login, to branch on with errors.Is.
var (
	// ErrSignedOut: nobody is signed in under this key.
	ErrSignedOut = errors.New("not signed in")
	// ErrRefused: the authorization server will never accept this login again.
	// It is remembered, and nothing asks again until a new sign-in.
	ErrRefused = oauth.ErrPermanent
	// ErrTransient: nothing was lost; try again later.
	ErrTransient = oauth.ErrTransient
	// ErrUnknownOutcome: the refresh token may have been spent and the answer is
	// lost. The next attempt tells; try again later.
	ErrUnknownOutcome = oauth.ErrUnknown
	// ErrRequest: the server did not accept the request; it says nothing about
	// the login.
	ErrRequest = oauth.ErrInvalid
	// ErrRateLimited: the server answered 429. It comes with ErrTransient.
	ErrRateLimited = oauth.ErrRateLimited

	// ErrOtherLogin: the stored login belongs to another issuer, client id or
	// account than the one that this Manager is configured for.
	ErrOtherLogin = errors.New("another login is stored here")
	// ErrSignedIn: a login is stored that must not be replaced without being asked to:
	// another account's, or one that is at least as new as the one to import.
	ErrSignedIn = errors.New("already signed in")
	// ErrDamaged: the stored record is torn or altered.
	ErrDamaged = frame.ErrDamaged
	// ErrNewerVersion: the stored record was written by a newer codexauth.
	ErrNewerVersion = frame.ErrNewerVersion
	// ErrIssuer: the issuer, or the metadata that it serves, can't be used.
	ErrIssuer = oauth.ErrIssuer
	// ErrClosed: the Manager is closed.
	ErrClosed = errors.New("the manager is closed")
	// ErrNotSaved: a new credential could not be saved.
	ErrNotSaved = errors.New("the new credential could not be saved")
)

// RefusedError says why a login is over: it is the server's refusal as it is
// remembered with the record. It matches [ErrRefused].
type RefusedError struct {
	Code        string    // the server's error code in lower case, such as refresh_token_reused
	Description string    // the server's words
	Status      int       // HTTP status
	At          time.Time // when it was refused
	// CutOff is set where an earlier refresh with the same token never got its
	// answer: what that one received is lost, and this refusal follows from it.
	CutOff *Attempt
}

// Attempt is a refresh whose outcome nobody knows.
type Attempt struct {
	Host  string
	PID   int
	Since time.Time
	// Places are the directories on that host in which it would have put an answer
	// that its store did not take.
	Places []string
}

func (a *Attempt) String() string {
	return fmt.Sprintf("process %d on host %s at %s", a.PID, a.Host, a.Since.Format("2006-01-02 15:04:05 MST"))
}

// elsewhere says where on another machine the answer may be all the same.
func (a *Attempt) elsewhere() string {
	if len(a.Places) == 0 || a.Host == hostname() {
		return ""
	}
	return fmt.Sprintf(", unless it waits on that host, in %s", strings.Join(a.Places, " or "))
}

func (e *RefusedError) Error() string {
	if e.CutOff != nil {
		return fmt.Sprintf("a refresh by %s was cut off and its answer is lost (the server now says %s)%s; sign in again",
			e.CutOff, e.name(), e.CutOff.elsewhere())
	}
	msg := "the server no longer accepts this login: " + e.name()
	if e.Description != "" {
		msg += " (" + e.Description + ")"
	}
	return msg + "; sign in again"
}

func (e *RefusedError) name() string {
	if e.Code != "" {
		return e.Code
	}
	return fmt.Sprintf("HTTP %d", e.Status)
}

// Is matches ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// RetryError is a failure that passes. It says when to try again and matches
// whatever its cause matches, and always [ErrTransient].
type RetryError struct {
	At  time.Time // not before; zero if any time will do
	Err error

	unasked bool // it is about an earlier attempt
}

func (e *RetryError) Error() string {
	if e.At.IsZero() {
		return e.Err.Error() + "; try again"
	}
	wait := max(time.Until(e.At), time.Second).Round(time.Second)
	return fmt.Sprintf("%v; try again in %v", e.Err, wait)
}

func (e *RetryError) Unwrap() error { return e.Err }

// Is matches ErrTransient.
func (e *RetryError) Is(target error) bool { return target == ErrTransient }
