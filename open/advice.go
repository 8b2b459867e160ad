package open

import (
	"cmp"
	"errors"
	"fmt"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
)

// told is err with what to do about it in its text, since a program prints that alone.
func told(err error, profile string) error {
	var usage *hint.UsageError
	var settings *config.Error
	if errors.As(err, &usage) || errors.As(err, &settings) {
		err = fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if what := advice(err, profile); what != "" {
		return fmt.Errorf("%w: %s", err, what)
	}
	return err
}

func advice(err error, profile string) string {
	var usage *hint.UsageError
	var hinted *hint.Error
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &hinted) && hinted.Hint != "":
		return hinted.Hint
	case errors.As(err, &usage):
		return usage.Hint
	case is(ErrStoreAway): // which is signed out, too
		return "bring the store back, or name it with CODEXAUTH_STORE; if it is gone for good, sign in again: " + signIn(profile)
	case is(codexauth.ErrSignedOut):
		return "run " + signIn(profile) + "; `codexauth status --all` shows who is signed in"
	case is(codexauth.ErrSealed), is(codexauth.ErrWrongKey):
		return "name the file of its key with `codexauth config set identity-file FILE` or CODEXAUTH_IDENTITY_FILE, and give age.Kind() of codexauth/open/age to open.Manager"
	case is(codexauth.ErrDamaged):
		return "sign in again: " + signIn(profile)
	case is(codexauth.ErrNewerVersion):
		return "build this program with that version of codexauth, or a newer one"
	}
	return brokerAdvice(is)
}

func brokerAdvice(is func(error) bool) string {
	switch {
	case is(client.ErrNoKey):
		return "name the file of a key with ?key-file=PATH in the broker's address, or CODEXAUTH_BROKER_KEY_FILE"
	case is(client.ErrKeyRefused), is(client.ErrLeaseRefused):
		return "`codexauth serve key add NAME --lease` makes a key where the broker runs"
	case is(client.ErrUntrusted):
		return "name the authority that vouches for it with ?ca-file=PATH in the broker's address"
	case is(client.ErrNotBroker):
		return "check the store in `codexauth config`"
	case is(client.ErrUnreachable):
		return "see that `codexauth serve` runs there"
	}
	return ""
}

func signIn(profile string) string {
	if cmp.Or(profile, codexauth.DefaultKey) == codexauth.DefaultKey {
		return "`codexauth login`"
	}
	return "`codexauth --profile " + cleantext.OneLine(cleantext.ShellWord(profile)) + " login`"
}
