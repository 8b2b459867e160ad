package main

import (
	"context"
	"errors"
	"os"
	"time"

	"codexauth/store/file"
	"codexauth/store/keyring"
)

// A person at a terminal of the machine in front of them gets longer to unlock
// the keyring than a program that runs the command, and that has a time-out of
// its own.
const (
	promptForPerson  = time.Minute
	promptForProgram = 10 * time.Second
	// probeTime is how long a keyring has to say that it is there.
	probeTime = 2 * time.Second
)

// openKeyring opens the store in a directory whose key the system's keyring has;
// "" is the default one. Nobody asks the keyring yet.
func (p *place) openKeyring(dir string) error {
	if p.sealer != nil {
		return &usageError{"--identity-file (or CODEXAUTH_IDENTITY_FILE) names a key, and a keyring store has one of its own",
			"leave it out; or keep the login in a file store that the key seals: --store file:DIR"}
	}
	dir, err := directory(dir, keyring.DefaultDir)
	if err != nil {
		return err
	}
	store, err := keyring.Open(dir, p.asking)
	if err != nil {
		return err
	}
	p.store, p.address, p.lockDir = store, store.String(), store.Dir()
	p.sealer, p.ownKey, p.health = store.Sealer(), true, keyringHealth
	return nil
}

// keyringHealth looks whether there is a keyring and whether it is unlocked.
func keyringHealth(ctx context.Context) finding {
	if err := keyring.Probe(ctx); err != nil {
		return problem(judgeKeyring(err).hint, "%v", err)
	}
	return okay("it answers")
}

func (a *app) keyringOptions(ctx context.Context) keyring.Options {
	o := keyring.Options{Prompt: promptForProgram, Stop: ctx.Done()}
	if a.canAsk() && !remote() {
		o.Prompt = promptForPerson
	}
	if isTerminal(a.stderr) {
		o.Prompting = func() { a.say("The keyring is locked: a window asks for its password…") }
	}
	return o
}

// remote reports whether the person is at another machine's desktop.
func remote() bool { return os.Getenv("SSH_CONNECTION") != "" }

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

// mention returns a function that tells a person at a terminal, once they have
// signed in, that a plain file store is plain, and how to seal it. Whether a
// keyring answers is found out while they sign in, so that nobody waits for it.
func (a *app) mention(ctx context.Context, p *place) func() {
	store, isFile := plainFile(p)
	if !isFile || a.flags.json || !a.canAsk() {
		return func() {}
	}
	answered := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		answered <- keyring.Probe(ctx)
	}()
	return func() {
		how := "`codexauth store keygen FILE` and " + a.command("store reseal --to FILE") + " seal it"
		select {
		case err := <-answered:
			if err == nil {
				how = a.command("store copy "+store+" keyring:") + " seals it with a key in your keyring; from then on set CODEXAUTH_STORE=keyring:"
			}
		default:
		}
		a.say("It is stored in plain text, for you alone to read. %s.", how)
	}
}

// plainFile returns the address of a file store that is not sealed, as short as
// it can be.
func plainFile(p *place) (address string, ok bool) {
	usual, err := directory("", file.DefaultDir)
	switch {
	case p.sealer != nil || p.address != "file:"+p.lockDir:
		return "", false
	case err == nil && usual == p.lockDir:
		return "file:", true
	}
	return shellWord(p.address), true
}
