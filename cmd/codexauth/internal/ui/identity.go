package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"filippo.io/age/plugin"
	"golang.org/x/term"

	"codexauth/internal/cleantext"
	"codexauth/internal/identity"
	"codexauth/seal"
)

// Sealer opens what --identity-file names; see identity.Open.
func (t *Terminal) Sealer(name string) (identity.Key, error) { return identity.Open(name, t.sealUI()) }

// sealUI asks the person at the terminal, and nobody where there is none.
func (t *Terminal) sealUI() seal.UI {
	if !t.CanAsk() {
		return seal.UI{}
	}
	return seal.UI{
		Passphrase: t.AskPassphrase,
		Plugin: &plugin.ClientUI{
			DisplayMessage: func(name, message string) error {
				t.Say("%s: %s", cleantext.Line(name), message)
				return nil
			},
			RequestValue: func(name, prompt string, secret bool) (string, error) {
				if !secret {
					return t.readAnswer(cleantext.Line(name) + ": " + prompt)
				}
				value, err := t.readSecret(cleantext.Line(name) + ": " + prompt)
				return string(value), err
			},
			Confirm: func(name, prompt, yes, no string) (bool, error) {
				if no != "" {
					yes += " / " + no
				}
				answer, err := t.readAnswer(fmt.Sprintf("%s: %s (%s) [y/N]", cleantext.Line(name), prompt, yes))
				return strings.HasPrefix(strings.ToLower(answer), "y"), err
			},
			WaitTimer: func(name string) { t.Say("waiting for %s (does it want to be touched?)…", cleantext.Line(name)) },
		},
	}
}

// AskPassphrase asks for a passphrase, and for a new one twice.
func (t *Terminal) AskPassphrase(what string, confirm bool) ([]byte, error) {
	passphrase, err := t.readSecret("Passphrase of " + cleantext.Line(what) + ":")
	if err != nil || !confirm {
		return passphrase, err
	}
	again, err := t.readSecret("Repeat the passphrase:")
	if err == nil && string(again) != string(passphrase) {
		err = errors.New("the two passphrases don't match; nothing was changed")
	}
	if weakness := Weakness(passphrase); err == nil && weakness != "" {
		t.Say("That passphrase is weak: %s. Anyone who has a copy of what it seals can guess it. Five unrelated words are better: `codexauth store reseal --to prompt` sets them.", weakness)
	}
	return passphrase, err
}

// readSecret reads what a person types unseen. A signal ends it, and the terminal
// shows again what is typed, whoever reads that.
func (t *Terminal) readSecret(prompt string) ([]byte, error) {
	fd := int(t.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	secret, err := ask(t, prompt, func() ([]byte, error) { return term.ReadPassword(fd) })
	if err != nil {
		_ = term.Restore(fd, before) // who reads may still do so
	}
	t.Say("")
	return secret, err
}

// readAnswer reads a line that a person types.
func (t *Terminal) readAnswer(prompt string) (string, error) {
	return ask(t, prompt, func() (string, error) { return ReadLine(t.Stdin), nil })
}

// ask shows a prompt and calls read, until a signal comes. A read of a terminal
// can't be ended: it then goes on, and the process is about to end.
func ask[T any](t *Terminal, prompt string, read func() (T, error)) (answer T, err error) {
	t.typing.Store(true)
	defer t.typing.Store(false)
	ctx := context.Background()
	if t.Signals != nil {
		ctx = t.Signals()
	}
	quit := make(chan os.Signal, 1) // would end the process with the terminal as it is
	signal.Notify(quit, syscall.SIGQUIT)
	defer signal.Stop(quit)
	fmt.Fprintf(t.Stderr, "%s ", prompt)
	type result struct {
		answer T
		err    error
	}
	done := make(chan result, 1)
	go func() {
		answer, err := read()
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-quit:
		return answer, ErrDeclined
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	}
}
