package ui

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"filippo.io/age/plugin"
	"golang.org/x/term"

	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/seal"
)

// Sealer opens what --identity-file names: a file, fd:N for a descriptor that a
// parent process left open, or prompt for a passphrase. The key itself is never
// a flag's value. "" is nil: the store is plain.
func (t *Terminal) Sealer(name string) (*seal.Sealer, error) {
	descriptor, isDescriptor := strings.CutPrefix(name, "fd:")
	switch {
	case name == "":
		return nil, nil
	case name == "prompt":
		return seal.Prompt(t.sealUI()), nil
	case strings.HasPrefix(name, "AGE-SECRET-KEY-"), strings.HasPrefix(name, "AGE-PLUGIN-"):
		return nil, hint.Usage("--identity-file is given a key itself, which every user of this machine can now see in the process list",
			"put it into a file of mode 0600 and name that; and make a new key")
	case !isDescriptor:
		return seal.OpenFile(name, t.sealUI())
	}
	n, err := strconv.ParseUint(descriptor, 10, 16)
	if err != nil || n < 3 {
		return nil, hint.Usagef("--identity-file %s does not name a descriptor (fd:3 and up)", cleantext.OneLine(name))
	}
	f := os.NewFile(uintptr(n), name)
	if f == nil {
		return nil, hint.Usagef("--identity-file %s names no open descriptor", cleantext.OneLine(name))
	}
	defer f.Close()
	return seal.Identities(f, name, t.sealUI())
}

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
					fmt.Fprintf(t.Stderr, "%s: %s ", cleantext.Line(name), prompt)
					return ReadLine(t.Stdin), nil
				}
				value, err := t.readSecret(cleantext.Line(name) + ": " + prompt)
				return string(value), err
			},
			Confirm: func(name, prompt, yes, no string) (bool, error) {
				if no != "" {
					yes += " / " + no
				}
				fmt.Fprintf(t.Stderr, "%s: %s (%s) [y/N] ", cleantext.Line(name), prompt, yes)
				return strings.HasPrefix(strings.ToLower(ReadLine(t.Stdin)), "y"), nil
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
	again, err := t.readSecret("The same once more:")
	if err == nil && string(again) != string(passphrase) {
		err = errors.New("the two passphrases are not the same; nothing was changed")
	}
	return passphrase, err
}

func (t *Terminal) readSecret(prompt string) ([]byte, error) {
	fmt.Fprintf(t.Stderr, "%s ", prompt)
	secret, err := term.ReadPassword(int(t.Stdin.Fd()))
	t.Say("")
	return secret, err
}
