package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/login"
	"codexauth/seal"
	"codexauth/store/keyring"
)

// The exit codes.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2 // the command line, or what it is used with, can't be meant
	exitSignedOut = 3 // not signed in
	exitRefused   = 4 // signed in once, but the login is no longer accepted
	exitTryLater  = 5 // network, server, or somebody else is at it
	exitCancelled = 6 // by the person
)

// exitStatus ends a command that has already said all there is to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

var errSignInWaiting = errors.New("another sign-in for this profile is waiting")

// verdict is what an error means to whoever ran the command.
type verdict struct {
	code string // for programs; never changes
	exit int
	hint string // what to do
}

// report tells the person, or with --json the program, what went wrong.
func (a *app) report(ctx context.Context, err error) int {
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	v := a.verdict(ctx, err)
	message := cleantext.OneLine(err.Error())
	if a.flags.json {
		a.reportJSON(message, v)
		return v.exit
	}
	fmt.Fprintf(a.Stderr, "codexauth: %s\n", message)
	if v.hint != "" {
		fmt.Fprintf(a.Stderr, "hint: %s\n", cleantext.OneLine(v.hint))
	}
	return v.exit
}

func (a *app) reportJSON(message string, v verdict) {
	type body struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Hint     string `json:"hint"`
		ExitCode int    `json:"exit_code"`
	}
	line, _ := ui.JSONLine(map[string]body{"error": {v.code, message, v.hint, v.exit}}) // texts and a number: it never fails
	// Where standard error can't be written the exit code alone has to do.
	_, _ = io.WriteString(a.Stderr, line)
}

// verdict is what judge says, with the hint of an error that has one.
func (a *app) verdict(ctx context.Context, err error) verdict {
	v := a.judge(ctx, err)
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		v.hint = hinted.Hint
	}
	return v
}

// judge tells errors apart. Its order matters: what passes may wrap a cause
// that, by itself, would not.
func (a *app) judge(ctx context.Context, err error) verdict {
	var usage *hint.UsageError
	var retry *codexauth.RetryError
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &usage):
		return verdict{"usage", exitUsage, usage.Hint}
	case is(ui.ErrDeclined), interrupted(ctx, err):
		return verdict{"cancelled", exitCancelled, ""}
	case a.leased:
		if v, ok := judgeBroker(err); ok {
			return v
		}
	}
	switch {
	case isLaterAtIssuer(err):
		return verdict{"issuer_unavailable", exitTryLater, "nothing was changed; " + a.command("login") + " starts again"}
	case is(login.ErrDenied):
		return verdict{"denied", exitCancelled, "nothing was changed; " + a.command("login") + " starts again"}
	case is(codexauth.ErrStoreAway):
		return verdict{"signed_out", exitSignedOut, a.awayHint()}
	case is(codexauth.ErrSignedOut):
		return verdict{"signed_out", exitSignedOut, "run " + a.command("login")}
	case is(codexauth.ErrSpent):
		return verdict{"spent", exitFailed, "delete that copy; use the login where it is now, or sign in anew: " + a.command("login")}
	case is(codexauth.ErrSignedIn):
		return verdict{"signed_in", exitFailed, "to replace that login, run " + a.command("login --force")}
	case is(codexauth.ErrRequest) && isUsage(err):
		return verdict{"backend_refused", exitFailed, "the stored login was not touched; `codexauth doctor` looks at the whole chain"}
	case is(codexauth.ErrRequest):
		return verdict{"request_refused", exitFailed, "the stored login was not touched; check --issuer and --client-id, or ask whoever runs the account"}
	case is(codexauth.ErrRescueUnreadable):
		return verdict{"rescue_unreadable", exitFailed, "make the place this user's alone (chmod 700, its files 600) or name the key, then run the command again; if nothing waits there, " + a.command("refresh") + " goes on without it, which may end the login"}
	case is(codexauth.ErrNotSaved): // although the store may be there again in a moment
		return a.judgeStore(err)
	case errors.As(err, &retry):
		return passing(err)
	case is(codexauth.ErrIssuer):
		return verdict{"issuer", exitUsage, "check --issuer and CODEXAUTH_ISSUER"}
	case is(codexauth.ErrOtherLogin):
		return verdict{"other_login", exitUsage, "name another --profile, or the --issuer and --client-id that this login is for"}
	case is(codexauth.ErrRefused):
		return verdict{"refused", exitRefused, "run " + a.command("login")}
	case passes(err):
		return passing(err)
	}
	return a.judgeStore(err)
}

// judgeStore tells apart the failures that somebody has to mend.
func (a *app) judgeStore(err error) verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case isKeyringError(err):
		return judgeKeyring(err)
	case is(codexauth.ErrNotSealed):
		return verdict{"not_sealed", exitFailed, "it was put there as a file store's; move it away with " + a.command("store copy file:DIR file:OTHER") + ", or sign in over it: " + a.command("login --force")}
	case is(codexauth.ErrDamaged):
		return verdict{"damaged", exitFailed, "bring the file back from a backup of this very state, or sign in anew: " + a.command("login --force")}
	case is(codexauth.ErrNewerVersion):
		return verdict{"newer_version", exitFailed, "upgrade this codexauth, or name another --store or --profile"}
	case is(seal.ErrNeedsTerminal), is(seal.ErrIdentity):
		return verdict{"identity", exitUsage, "check --identity-file and CODEXAUTH_IDENTITY_FILE; `codexauth store keygen FILE` makes a key"}
	case is(codexauth.ErrWrongKey) && a.ownKey:
		return verdict{"sealed", exitFailed, "if you have its key, read it with --store file:DIR --identity-file FILE; if not, `codexauth profile rm` removes it"}
	case is(codexauth.ErrSealed), is(codexauth.ErrWrongKey), is(seal.ErrPassphrase):
		return verdict{"sealed", exitFailed, "name the key that it was sealed for with --identity-file"}
	case is(codexauth.ErrStoreUnsafe):
		return verdict{"store_unsafe", exitFailed, "nothing was read or written"}
	case is(codexauth.ErrNotSaved):
		return verdict{"not_saved", exitFailed, "free the disk or make the store writable, then run " + a.command("refresh") + ", which puts the new token there"}
	case is(login.ErrTimeout):
		return verdict{"timeout", exitFailed, a.command("login") + " starts again; --timeout gives you longer"}
	}
	return verdict{"failed", exitFailed, ""}
}

// awayHint is what to do about a login that waits for its store.
func (a *app) awayHint() string {
	return "bring that store back, or name it with --store or CODEXAUTH_HOME; if it is gone for good, or another's, run " + a.command("login")
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

// passes reports whether the same command may well work later.
func passes(err error) bool {
	for _, target := range []error{
		codexauth.ErrTransient, codexauth.ErrUnknownOutcome, codexauth.ErrBusy, codexauth.ErrLost,
		errSignInWaiting, login.ErrPortsTaken, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func passing(err error) verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(errSignInWaiting):
		return verdict{"busy", exitTryLater, "finish that one in its browser, or end it"}
	case is(login.ErrPortsTaken):
		return verdict{"ports_taken", exitTryLater, "the redirect URI is registered with these ports only; free one of them and run the command again"}
	case is(codexauth.ErrBusy):
		return verdict{"busy", exitTryLater, "run the command again when that is done"}
	case is(codexauth.ErrRateLimited):
		return verdict{"rate_limited", exitTryLater, "nothing was lost; every process that shares the login waits"}
	case is(codexauth.ErrUnknownOutcome):
		return verdict{"unknown_outcome", exitTryLater, "the refresh token may have been spent; the next attempt tells"}
	}
	return verdict{"temporary", exitTryLater, "nothing was lost; run the command again later"}
}

// interrupted reports whether err is the end of ctx, which only a signal ends.
func interrupted(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)) || errors.Is(err, codexauth.ErrClosed)
}

// command is a command for the person to type, about the profile at hand.
func (a *app) command(args string) string {
	profile, where := "", ""
	if a.leased {
		where = " where the broker runs"
	}
	if a.profile != "" && a.profile != codexauth.DefaultKey {
		profile = "--profile " + ui.ShellWord(a.profile) + " "
	}
	return "`codexauth " + profile + args + "`" + where
}

func isKeyringError(err error) bool {
	for _, kind := range []error{keyring.ErrUnavailable, keyring.ErrLocked, keyring.ErrTimeout, keyring.ErrDenied, keyring.ErrMissing} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// judgeKeyring tells apart why the keyring gave no key. Nothing is ever stored
// in plain text instead.
func judgeKeyring(err error) verdict {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(keyring.ErrUnavailable):
		return verdict{"keyring_unavailable", exitFailed, "`codexauth store keygen FILE` makes a key file; then use --store file:DIR --identity-file FILE"}
	case is(keyring.ErrLocked):
		return verdict{"keyring_locked", exitFailed, "unlock it and run the command again; nothing was changed"}
	case is(keyring.ErrTimeout):
		return verdict{"keyring_timeout", exitTryLater, "nothing was changed; run the command again when the keyring answers"}
	case is(keyring.ErrDenied):
		return verdict{"keyring_denied", exitCancelled, "nothing was changed; run the command again and allow it"}
	}
	return verdict{"keyring_item_missing", exitFailed, "without that item its logins can't be read; `codexauth --store keyring: profile list` names them"}
}

// judgeBroker tells apart what is wrong on the way to a broker.
func judgeBroker(err error) (v verdict, ok bool) {
	const anotherKey = "`codexauth serve key add NAME --lease` where the broker runs makes one"
	is := func(target error) bool { return errors.Is(err, target) }
	var refusal *client.Error
	switch {
	case is(client.ErrNoKey):
		return verdict{"no_key", exitUsage, "name its file with ?key-file=PATH in the address or CODEXAUTH_BROKER_KEY_FILE, or set CODEXAUTH_BROKER_KEY; " + anotherKey}, true
	case is(client.ErrKeyRefused):
		return verdict{"key_refused", exitRefused, anotherKey}, true
	case is(client.ErrLeaseRefused):
		return verdict{"lease_refused", exitUsage, "a token is for the broker's own user on its socket, and for keys with the right to lease (" + anotherKey + "); others send their requests to the broker"}, true
	case is(client.ErrUntrusted):
		return verdict{"untrusted", exitUsage, "name the authority that vouches for it with ?ca-file=PATH in the address, or --ca-file"}, true
	case is(client.ErrNotBroker):
		return verdict{"not_a_broker", exitUsage, "check --store and CODEXAUTH_STORE"}, true
	case is(client.ErrUnreachable):
		return verdict{"broker_unreachable", exitTryLater, "nothing was lost; see that `codexauth serve` runs there, and run the command again"}, true
	case errors.As(err, &refusal) && refusal.Code == "wrong_host":
		return verdict{"wrong_host", exitUsage, "start the broker with --host and the name that it is reached by"}, true
	}
	return verdict{}, false
}
