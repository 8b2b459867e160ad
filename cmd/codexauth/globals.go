package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/store/keyring"
)

// globalFlags are those that every command takes.
type globalFlags struct {
	profile, store, issuer, clientID, identityFile, caFile string
	json, verbose                                          bool
}

// defineGlobals defines the flags that every command takes.
func (a *app) defineGlobals(f *pflag.FlagSet) {
	g := &a.flags
	f.StringVar(&g.profile, "profile", "", "`NAME` of the login to use (CODEXAUTH_PROFILE; default \"default\")")
	f.StringVar(&g.store, "store", "", "`ADDRESS` of where logins are kept, such as file:DIR or keyring:, or of a broker that has one, such as broker+unix:PATH (CODEXAUTH_STORE; default CODEXAUTH_HOME or the system's state directory)")
	f.StringVar(&g.issuer, "issuer", "", "`URL` of the authorization server (CODEXAUTH_ISSUER; default OpenAI)")
	f.StringVar(&g.clientID, "client-id", "", "OAuth client `ID` (CODEXAUTH_CLIENT_ID; default the official command line's)")
	f.StringVar(&g.identityFile, "identity-file", "", "age identity `FILE` that seals the store, fd:N, or prompt (CODEXAUTH_IDENTITY_FILE)")
	f.StringVar(&g.caFile, "ca-file", "", "PEM `FILE` of certificate authorities to trust beside the system's (CODEXAUTH_CA_FILE)")
	f.BoolVar(&g.json, "json", false, "print the answer, and errors, as JSON")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log to standard error what happens, without secrets")
	f.BoolVar(&a.NoColor, "no-color", false, "no colours (also NO_COLOR)")
}

// settings is place without the store, of which it returns the address.
func (a *app) settings(cmd *cobra.Command) (p *place.Place, store string, err error) {
	g, err := a.given(cmd)
	if err != nil {
		return nil, "", err
	}
	p = g.newPlace()
	p.Asking = a.keyringOptions(cmd.Context())
	if p.Sealer, err = a.Sealer(g.identity); err != nil {
		return nil, "", err
	}
	if err := p.Trust(g.caFile); err != nil {
		return nil, "", err
	}
	if p.Distrust != nil {
		a.Say("warning: %s", cleantext.OneLine(p.Distrust.Error()))
	}
	return p, g.store, nil
}

// given is what the global flags, or their variables, say.
type given struct{ profile, store, issuer, clientID, identity, caFile string }

func (a *app) given(cmd *cobra.Command) (given, error) {
	var err error
	setting := func(name, value, variable string) string {
		if value == "" && cmd.Flags().Changed(name) {
			// Most likely a shell variable that is not set. Taking the default
			// for it could end the wrong login.
			err = errors.Join(err, hint.Usagef("--%s is empty", name))
		}
		if value == "" {
			value = os.Getenv(variable)
		}
		if !utf8.ValidString(value) {
			// It would not survive the errand of a child or the settings of another
			// program, which are text.
			err = errors.Join(err, hint.Usage(fmt.Sprintf("--%s (or %s) is not UTF-8", name, variable), "give another name"))
		}
		return value
	}
	g := given{
		profile:  setting("profile", a.flags.profile, "CODEXAUTH_PROFILE"),
		store:    setting("store", a.flags.store, "CODEXAUTH_STORE"),
		issuer:   setting("issuer", a.flags.issuer, "CODEXAUTH_ISSUER"),
		clientID: setting("client-id", a.flags.clientID, "CODEXAUTH_CLIENT_ID"),
		identity: setting("identity-file", a.flags.identityFile, "CODEXAUTH_IDENTITY_FILE"),
		caFile:   setting("ca-file", a.flags.caFile, "CODEXAUTH_CA_FILE"),
	}
	if g.profile == "" {
		g.profile = codexauth.DefaultKey
	}
	a.profile = g.profile
	return g, err
}

// newPlace is the place that was given, with nothing opened yet.
func (g given) newPlace() *place.Place {
	return &place.Place{Profile: g.profile, Provider: codexauth.Provider{Issuer: g.issuer, ClientID: g.clientID}}
}

// log is nil, which is silent, without -v.
func (a *app) log() *slog.Logger {
	if !a.flags.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// completeProfiles offers the names of the stored logins to the shell.
func (a *app) completeProfiles(root *cobra.Command) {
	// It fails only for a flag that does not exist.
	_ = root.RegisterFlagCompletionFunc("profile", a.profileNames)
}

func (a *app) profileNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := a.storePlace(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := p.Store.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// warnOfPassword tells once who can read a password on the command line.
func (a *app) warnOfPassword(addresses ...string) {
	for _, address := range addresses {
		if place.HoldsPassword(address) && !a.warned {
			a.warned = true
			a.Say("warning: every user of this machine can read the password on this command line; give it with CODEXAUTH_STORE instead, or with PGPASSWORD, a password file or a service file")
		}
	}
}

// A person at a terminal of the machine in front of them gets longer to unlock
// the keyring than a program that runs the command, and that has a time-out of
// its own.
const (
	promptForPerson  = time.Minute
	promptForProgram = 10 * time.Second
	// probeTime is how long a keyring has to say that it is there.
	probeTime = 2 * time.Second
)

func (a *app) keyringOptions(ctx context.Context) keyring.Options {
	o := keyring.Options{Prompt: promptForProgram, Stop: ctx.Done()}
	if a.CanAsk() && !remote() {
		o.Prompt = promptForPerson
	}
	if ui.IsTerminal(a.Stderr) {
		o.Prompting = func() { a.Say("The keyring is locked: a window asks for its password…") }
	}
	return o
}

// remote reports whether the person is at another machine's desktop.
func remote() bool { return os.Getenv("SSH_CONNECTION") != "" }
