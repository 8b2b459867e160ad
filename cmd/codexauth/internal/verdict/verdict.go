// Package verdict tells errors apart: each has a code for programs, an exit code,
// and a hint of what to do.
package verdict

import (
	"context"
	"errors"
	"runtime"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/reason"
	"codexauth/login"
	"codexauth/seal"
	"codexauth/store/keyring"
)

// The exit codes.
const (
	Done      = 0
	Failed    = 1
	Usage     = 2 // the command line, or something that it names, is invalid
	SignedOut = 3 // not signed in
	Refused   = 4 // signed in once, but the login is no longer accepted
	TryLater  = 5 // network, server, or somebody else is at it
	Cancelled = 6 // by the person, or by a signal
)

// ErrSignInWaiting: of two sign-ins only one can have the redirect URI's port.
var ErrSignInWaiting = errors.New("another sign-in for this profile is waiting")

// A Verdict is what an error means to whoever ran the command.
type Verdict struct {
	Code string // for programs; never changes
	Exit int
	Hint string // what to do
}

// A Judge tells errors apart, for one run of the command line.
type Judge struct {
	Leased  bool                     // a broker has the login
	OwnKey  bool                     // the store has a key of its own
	Command func(args string) string // a command to type
}

// Of tells errors apart. Its order matters: what passes may wrap a cause
// that, by itself, would not.
func (j Judge) Of(ctx context.Context, err error) Verdict {
	var usage *hint.UsageError
	var retry *codexauth.RetryError
	key, store, moved := reason.MovedTo(err)
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &usage):
		return Verdict{"usage", Usage, usage.Hint}
	case is(ui.ErrDeclined), Stopped(ctx, err):
		return Verdict{"cancelled", Cancelled, ""}
	case j.Leased:
		if v, ok := OfBroker(err); ok {
			return v
		}
	}
	switch {
	case isLaterAtIssuer(err):
		return Verdict{"issuer_unavailable", TryLater, "nothing was changed; " + j.Command("login") + " starts again"}
	case is(login.ErrDenied):
		return Verdict{"denied", Cancelled, "nothing was changed; " + j.Command("login") + " starts again"}
	case moved:
		return Verdict{"signed_out", SignedOut, j.movedHint(key, store)}
	case is(reason.ErrStoreAway):
		return Verdict{"signed_out", SignedOut, j.AwayHint()}
	case is(codexauth.ErrSignedOut):
		return Verdict{"signed_out", SignedOut, "run " + j.Command("login")}
	case is(codexauth.ErrSpent):
		return Verdict{"spent", Failed, "delete that copy; use the login where it is now, or sign in again: " + j.Command("login")}
	case is(codexauth.ErrSignedIn) && !is(reason.ErrNotNewer):
		return Verdict{"signed_in", Failed, "to replace that login, run " + j.Command("login --force")}
	case is(codexauth.ErrRequest) && isUsage(err):
		return Verdict{"backend_refused", Failed, "the stored login was not touched; " + j.Command("doctor") + " checks everything"}
	case is(codexauth.ErrRequest):
		return Verdict{"request_refused", Failed, "the stored login was not touched; check --issuer and --client-id, or ask whoever runs the account"}
	case is(codexauth.ErrRescueUnreadable):
		return Verdict{"rescue_unreadable", Failed, "make the place this user's alone" + modes() + ", or name the key, then run the command again; if nothing waits there, " + j.Command("refresh") + " goes on without it, which may end the login"}
	case is(codexauth.ErrNotSaved): // although the store may be there again in a moment
		return j.ofStore(err)
	case errors.As(err, &retry):
		return j.passing(err)
	case is(codexauth.ErrIssuer):
		return Verdict{"issuer", Usage, "check --issuer and CODEXAUTH_ISSUER"}
	case is(codexauth.ErrOtherLogin):
		return Verdict{"other_login", Usage, "name another --profile, or the --issuer and --client-id that this login is for"}
	case is(codexauth.ErrRefused):
		return Verdict{"refused", Refused, "run " + j.Command("login")}
	case Passes(err):
		return j.passing(err)
	}
	return j.ofStore(err)
}

// ofStore tells apart the failures that somebody has to mend.
func (j Judge) ofStore(err error) Verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case IsKeyringError(err):
		return OfKeyring(err)
	case is(codexauth.ErrNotSealed):
		return Verdict{"not_sealed", Failed, "it was put there as a file store's; move it away with " + j.Command("store copy file:DIR file:OTHER") + ", or sign in over it: " + j.Command("login --force")}
	case is(codexauth.ErrDamaged):
		return Verdict{"damaged", Failed, "restore a backup only if nothing has refreshed since; otherwise sign in again: " + j.Command("login --force")}
	case is(codexauth.ErrNewerVersion):
		return Verdict{"newer_version", Failed, "upgrade this codexauth, or name another --store or --profile"}
	case is(seal.ErrNeedsTerminal):
		return Verdict{"identity", Usage, "run it at a terminal; for what has none, seal the login there with a key file: " + j.Command("store reseal --to FILE")}
	case is(seal.ErrIdentity):
		return Verdict{"identity", Usage, "check --identity-file and CODEXAUTH_IDENTITY_FILE; `codexauth store keygen FILE` makes a key"}
	case is(codexauth.ErrWrongKey) && j.OwnKey:
		return Verdict{"sealed", Failed, "if you have its key, read it with --store file:DIR --identity-file FILE; if not, " + j.Command("profile rm NAME") + " removes it"}
	case is(codexauth.ErrSealed), is(codexauth.ErrWrongKey), is(seal.ErrPassphrase):
		return Verdict{"sealed", Failed, "name the key that it was sealed for with --identity-file"}
	case is(codexauth.ErrStoreUnsafe):
		return Verdict{"store_unsafe", Failed, "nothing was read or written"}
	case is(codexauth.ErrNotSaved):
		return Verdict{"not_saved", Failed, "free the disk or make the store writable, then run " + j.Command("refresh") + ", which puts the new token there"}
	case is(login.ErrTimeout):
		return Verdict{"timeout", Failed, j.Command("login") + " starts again; --timeout gives you longer"}
	}
	return Verdict{"failed", Failed, ""}
}

// AwayHint is what to do about a login that waits for its store.
func (j Judge) AwayHint() string {
	return "bring that store back, or name it with --store or CODEXAUTH_HOME; if it is gone for good, or another's, run " + j.Command("login")
}

// movedHint is what to do about a login that was moved.
func (j Judge) movedHint(key, store string) string {
	if store == "" {
		return "name it with --profile " + cleantext.ShellWord(key) + ", or for every shell: `codexauth profile use " + cleantext.ShellWord(key) + "`"
	}
	return "name it with --store " + cleantext.ShellWord(store) + ", or for every shell: `codexauth config set store " + cleantext.ShellWord(store) + "`"
}

// isLaterAtIssuer reports whether the authorization endpoint answered that it
// can't answer now (RFC 6749 §4.1.2.1).
func isLaterAtIssuer(err error) bool {
	var e *login.AuthorizationError
	return errors.As(err, &e) && (e.Code == "server_error" || e.Code == "temporarily_unavailable")
}

// isUsage reports whether it is the backend, asked for the usage, that failed.
func isUsage(err error) bool {
	var e *codexauth.Error
	return errors.As(err, &e) && e.Op == "usage"
}

// Passes reports whether the same command may well work later.
func Passes(err error) bool {
	for _, target := range []error{
		codexauth.ErrTransient, codexauth.ErrUnknownOutcome, codexauth.ErrBusy, codexauth.ErrLost,
		ErrSignInWaiting, login.ErrPortsTaken, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func (j Judge) passing(err error) Verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(ErrSignInWaiting):
		return Verdict{"busy", TryLater, "finish that one in its browser, or end it"}
	case is(login.ErrPortsTaken):
		return Verdict{"ports_taken", TryLater, "the redirect URI is registered with these ports only; free one of them and run the command again"}
	case is(codexauth.ErrBusy):
		return Verdict{"busy", TryLater, "run the command again when that is done"}
	case is(codexauth.ErrRateLimited):
		return Verdict{"rate_limited", TryLater, "nothing was lost; every process that shares the login waits"}
	case is(codexauth.ErrUnknownOutcome):
		return Verdict{"unknown_outcome", TryLater, "the refresh token may have been spent; the next attempt will show"}
	}
	return Verdict{"temporary", TryLater, "nothing was lost; run the command again later (" + j.Command("doctor") + " tells what is in the way)"}
}

// Stopped reports whether err is the end of ctx, which only a signal ends.
func Stopped(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)) || errors.Is(err, codexauth.ErrClosed)
}

// IsKeyringError reports whether the keyring gave no key.
func IsKeyringError(err error) bool {
	for _, kind := range []error{keyring.ErrUnavailable, keyring.ErrLocked, keyring.ErrTimeout, keyring.ErrDenied, keyring.ErrMissing} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// OfKeyring tells apart why the keyring gave no key. Nothing is ever stored
// in plain text instead.
func OfKeyring(err error) Verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(keyring.ErrUnavailable):
		return Verdict{"keyring_unavailable", Failed, "`codexauth store keygen FILE` makes a key file; then use --store file:DIR --identity-file FILE"}
	case is(keyring.ErrLocked):
		return Verdict{"keyring_locked", Failed, "unlock it and run the command again; nothing was changed"}
	case is(keyring.ErrTimeout):
		return Verdict{"keyring_timeout", TryLater, "nothing was changed; run the command again when the keyring answers"}
	case is(keyring.ErrDenied):
		return Verdict{"keyring_denied", Cancelled, "nothing was changed; run the command again and allow it"}
	}
	return Verdict{"keyring_item_missing", Failed, "without that item its logins can't be read; `codexauth --store keyring: profile list` names them"}
}

// OfBroker tells apart what is wrong on the way to a broker.
func OfBroker(err error) (v Verdict, ok bool) {
	const anotherKey = "`codexauth serve key add NAME --lease` where the broker runs makes one"
	is := func(target error) bool { return errors.Is(err, target) }
	var refusal *client.Error
	switch {
	case is(client.ErrNoKey):
		return Verdict{"no_key", Usage, "name its file with ?key-file=PATH in the address or CODEXAUTH_BROKER_KEY_FILE, or set CODEXAUTH_BROKER_KEY; " + anotherKey}, true
	case is(client.ErrKeyRefused):
		return Verdict{"key_refused", Refused, anotherKey}, true
	case is(client.ErrLeaseRefused):
		return Verdict{"lease_refused", Usage, "only the broker's own user, on its socket, and keys with the right to lease get a token (" + anotherKey + "; --status is enough for `status`); others send their requests to the broker"}, true
	case is(client.ErrUntrusted):
		return Verdict{"untrusted", Usage, "name the authority that vouches for it with ?ca-file=PATH in the address, or --ca-file"}, true
	case is(client.ErrNotBroker):
		return Verdict{"not_a_broker", Usage, "check --store and CODEXAUTH_STORE"}, true
	case is(client.ErrUnreachable):
		return Verdict{"broker_unreachable", TryLater, "nothing was lost; see that `codexauth serve` runs there, and run the command again"}, true
	case errors.As(err, &refusal) && refusal.Code == "wrong_host":
		return Verdict{"wrong_host", Usage, "start the broker with --host and the name that it is reached by"}, true
	}
	return Verdict{}, false
}

// modes is how, where files have modes.
func modes() string {
	if runtime.GOOS == "windows" {
		return ""
	}
	return " (chmod 700, its files 600)"
}
