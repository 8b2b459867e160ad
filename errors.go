package codexauth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"codexauth/internal/oauth"
)

// Error is a request that the authorization server refused, did not answer, or
// answered unreadably. Its fields: Op ("refresh", "exchange", "revoke",
// "discovery"), Class (what it means for the token), Status (HTTP; 0 without an
// answer), Code (the server's, lower case), Description (the server's words,
// safe to show), RetryAfter, Date, Spent, Err (the cause). It holds no body,
// header or token. errors.Is matches it with [ErrRefused], [ErrTransient],
// [ErrUnknownOutcome], [ErrRequest] by its class and with
// [ErrRefreshTokenExpired], [ErrRefreshTokenReused], [ErrRefreshTokenRevoked],
// [ErrRateLimited] by its code and status.
type Error = oauth.Error

// What an error means for the login, to branch on with errors.Is.
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

	ErrRefreshTokenExpired = oauth.ErrExpired
	ErrRefreshTokenReused  = oauth.ErrReused
	ErrRefreshTokenRevoked = oauth.ErrInvalidated
	ErrRateLimited         = oauth.ErrRateLimited

	// ErrOtherLogin: the stored login belongs to another issuer, client id or
	// account than the one that this Manager is configured for.
	ErrOtherLogin = errors.New("another login is stored here")
	// ErrSignedIn: a login is stored, and the caller did not say to replace it.
	ErrSignedIn = errors.New("already signed in")
	// ErrDamaged: the stored record is torn or altered.
	ErrDamaged = errors.New("the stored record is damaged")
	// ErrNewerVersion: the stored record was written by a newer codexauth.
	ErrNewerVersion = errors.New("the stored record was written by a newer codexauth")
	// ErrIssuer: the issuer, or the metadata that it serves, can't be used.
	ErrIssuer = oauth.ErrIssuer
	// ErrClosed: the Manager is closed.
	ErrClosed = errors.New("the manager is closed")
	// ErrNotSaved: a new credential could not be saved.
	ErrNotSaved = errors.New("the new credential could not be saved")
)

// RefusedError says why a login is over. It matches [ErrRefused] and, by Code,
// [ErrRefreshTokenReused] and its like.
type RefusedError struct {
	Refusal Refusal
}

// Refusal is a permanent refusal as it is remembered with the record.
type Refusal struct {
	Code        string    // the server's error code, lower case
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
	r := e.Refusal
	if r.CutOff != nil {
		return fmt.Sprintf("a refresh by %s was cut off and its answer is lost (the server now says %s)%s; sign in again",
			r.CutOff, r.name(), r.CutOff.elsewhere())
	}
	msg := "the server no longer accepts this login: " + r.name()
	if r.Description != "" {
		msg += " (" + r.Description + ")"
	}
	return msg + "; sign in again"
}

func (r Refusal) name() string {
	if r.Code != "" {
		return r.Code
	}
	return fmt.Sprintf("HTTP %d", r.Status)
}

// Is matches ErrRefused and the sentinel of the code.
func (e *RefusedError) Is(target error) bool {
	return target == ErrRefused ||
		(&oauth.Error{Class: oauth.Permanent, Code: e.Refusal.Code}).Is(target)
}

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
