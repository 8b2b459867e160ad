package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"filippo.io/age/plugin"
	"golang.org/x/term"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/seal"
)

// sealer opens what --identity-file names: a file, fd:N for a descriptor that a
// parent process left open, or prompt for a passphrase. The key itself is never
// a flag's value. "" is nil: the store is plain.
func (a *app) sealer(name string) (*seal.Sealer, error) {
	descriptor, isDescriptor := strings.CutPrefix(name, "fd:")
	switch {
	case name == "":
		return nil, nil
	case name == "prompt":
		return seal.Prompt(a.sealUI()), nil
	case strings.HasPrefix(name, "AGE-SECRET-KEY-"), strings.HasPrefix(name, "AGE-PLUGIN-"):
		return nil, hint.Usage("--identity-file is given a key itself, which every user of this machine can now see in the process list",
			"put it into a file of mode 0600 and name that; and make a new key")
	case !isDescriptor:
		return seal.OpenFile(name, a.sealUI())
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
	return seal.Identities(f, name, a.sealUI())
}

// sealUI asks the person at the terminal, and nobody where there is none.
func (a *app) sealUI() seal.UI {
	if !a.CanAsk() {
		return seal.UI{}
	}
	return seal.UI{
		Passphrase: a.askPassphrase,
		Plugin: &plugin.ClientUI{
			DisplayMessage: func(name, message string) error {
				a.Say("%s: %s", cleantext.Line(name), message)
				return nil
			},
			RequestValue: func(name, prompt string, secret bool) (string, error) {
				if !secret {
					fmt.Fprintf(a.Stderr, "%s: %s ", cleantext.Line(name), prompt)
					return ui.ReadLine(a.Stdin), nil
				}
				value, err := a.readSecret(cleantext.Line(name) + ": " + prompt)
				return string(value), err
			},
			Confirm: func(name, prompt, yes, no string) (bool, error) {
				if no != "" {
					yes += " / " + no
				}
				fmt.Fprintf(a.Stderr, "%s: %s (%s) [y/N] ", cleantext.Line(name), prompt, yes)
				return strings.HasPrefix(strings.ToLower(ui.ReadLine(a.Stdin)), "y"), nil
			},
			WaitTimer: func(name string) { a.Say("waiting for %s (does it want to be touched?)…", cleantext.Line(name)) },
		},
	}
}

// askPassphrase asks for a passphrase, and for a new one twice.
func (a *app) askPassphrase(what string, confirm bool) ([]byte, error) {
	passphrase, err := a.readSecret("Passphrase of " + cleantext.Line(what) + ":")
	if err != nil || !confirm {
		return passphrase, err
	}
	again, err := a.readSecret("The same once more:")
	if err == nil && string(again) != string(passphrase) {
		err = errors.New("the two passphrases are not the same; nothing was changed")
	}
	return passphrase, err
}

func (a *app) readSecret(prompt string) ([]byte, error) {
	fmt.Fprintf(a.Stderr, "%s ", prompt)
	secret, err := term.ReadPassword(int(a.Stdin.Fd()))
	a.Say("")
	return secret, err
}
