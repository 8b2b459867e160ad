package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"filippo.io/age/plugin"
	"golang.org/x/term"

	"codexauth/internal/cleantext"
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
		return nil, &usageError{"--identity-file is given a key itself, which every user of this machine can now see in the process list",
			"put it into a file of mode 0600 and name that; and make a new key"}
	case !isDescriptor:
		return seal.OpenFile(name, a.sealUI())
	}
	n, err := strconv.ParseUint(descriptor, 10, 16)
	if err != nil || n < 3 {
		return nil, usagef("--identity-file %s does not name a descriptor (fd:3 and up)", oneLine(name))
	}
	f := os.NewFile(uintptr(n), name)
	if f == nil {
		return nil, usagef("--identity-file %s names no open descriptor", oneLine(name))
	}
	defer f.Close()
	return seal.Identities(f, name, a.sealUI())
}

// sealUI asks the person at the terminal, and nobody where there is none.
func (a *app) sealUI() seal.UI {
	if !a.canAsk() {
		return seal.UI{}
	}
	return seal.UI{
		Passphrase: a.askPassphrase,
		Plugin: &plugin.ClientUI{
			DisplayMessage: func(name, message string) error {
				a.say("%s: %s", cleantext.Line(name), message)
				return nil
			},
			RequestValue: func(name, prompt string, secret bool) (string, error) {
				if !secret {
					fmt.Fprintf(a.stderr, "%s: %s ", cleantext.Line(name), prompt)
					return readLine(a.stdin), nil
				}
				value, err := a.readSecret(cleantext.Line(name) + ": " + prompt)
				return string(value), err
			},
			Confirm: func(name, prompt, yes, no string) (bool, error) {
				if no != "" {
					yes += " / " + no
				}
				fmt.Fprintf(a.stderr, "%s: %s (%s) [y/N] ", cleantext.Line(name), prompt, yes)
				return strings.HasPrefix(strings.ToLower(readLine(a.stdin)), "y"), nil
			},
			WaitTimer: func(name string) { a.say("waiting for %s (does it want to be touched?)…", cleantext.Line(name)) },
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
	fmt.Fprintf(a.stderr, "%s ", prompt)
	secret, err := term.ReadPassword(int(a.stdin.Fd()))
	a.say("")
	return secret, err
}
