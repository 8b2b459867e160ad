package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/address"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/internal/reserved"
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
	s, err := a.resolve(cmd)
	if err != nil {
		return nil, "", err
	}
	if p, err = a.placeOf(cmd.Context(), s); err != nil {
		return nil, "", err
	}
	return p, s.Get(config.Store).Value, nil
}

// placeOf is the place that settings name, with no store opened yet.
func (a *app) placeOf(ctx context.Context, s *config.Settings) (p *place.Place, err error) {
	p = place.Of(s)
	p.Asking = a.keyringOptions(ctx)
	if p.Sealer, err = a.Sealer(s.Get(config.IdentityFile).Value); err != nil {
		return nil, err
	}
	if err := p.Trust(s.Get(config.CAFile).Value); err != nil {
		return nil, err
	}
	if p.Distrust != nil {
		a.Say("warning: %s", cleantext.OneLine(p.Distrust.Error()))
	}
	return p, nil
}

// resolve decides every setting of this run: a flag, its variable, the file, the
// default.
func (a *app) resolve(cmd *cobra.Command) (*config.Settings, error) {
	if err := a.emptyFlags(cmd); err != nil {
		return nil, err
	}
	f, err := config.Read()
	if err != nil {
		return nil, err
	}
	s := config.Resolve(a.flags.value, os.Getenv, f)
	if err := textual(s); err != nil {
		return nil, err
	}
	if profile := s.Get(config.Profile); profile.Source != config.FromFile {
		a.profile = profile.Value
	}
	a.said = s
	return s, nil
}

// textual refuses what is not UTF-8: it would not survive the errand of a child or
// the settings of another program, which are text.
func textual(s *config.Settings) (err error) {
	for _, set := range s.All() {
		if !utf8.ValidString(set.Value) {
			err = errors.Join(err, hint.Usage(fmt.Sprintf("--%s (or %s) is not UTF-8", set.Name, config.VariableOf(set.Name)), "give another name"))
		}
		if set.Name == config.Profile && reserved.Is(set.Value) {
			err = errors.Join(err, hint.Usage("what --profile (or CODEXAUTH_PROFILE) names can't be a login", "give another name"))
		}
	}
	return err
}

// emptyFlags refuses a flag that is given and says nothing. Most likely it is a shell
// variable that is not set, and taking the default for it could end the wrong login.
func (a *app) emptyFlags(cmd *cobra.Command) (err error) {
	for _, name := range config.Names() {
		if cmd.Flags().Changed(name) && a.flags.value(name) == "" {
			err = errors.Join(err, hint.Usagef("--%s is empty", name))
		}
	}
	return err
}

// value is what the flag of a setting says.
func (g *globalFlags) value(name string) string {
	switch name {
	case config.Profile:
		return g.profile
	case config.Store:
		return g.store
	case config.Issuer:
		return g.issuer
	case config.ClientID:
		return g.clientID
	case config.IdentityFile:
		return g.identityFile
	}
	return g.caFile
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

// firstProfile offers them for a command's first argument.
func (a *app) firstProfile(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.profileNames(cmd, args, prefix)
}

func (a *app) profileNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := a.storePlace(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := p.Profiles(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// warnOfPassword tells once who can read a password on the command line.
func (a *app) warnOfPassword(addresses ...string) {
	for _, at := range addresses {
		if address.HoldsPassword(at) && !a.warned {
			a.warned = true
			a.Say("warning: every user of this machine can read the password on this command line; give it with CODEXAUTH_STORE instead, or with PGPASSWORD, a password file or a service file")
		}
	}
}

// warnOfKeyFile tells who else can read the key to a broker. (Its group may be meant
// to: systemd and Kubernetes hand out such files.)
func (a *app) warnOfKeyFile(p *place.Place) {
	if p.Broker == nil || p.Broker.KeyFile() == "" {
		return
	}
	file := p.Broker.KeyFile()
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		a.Say("warning: every user of this machine can read the broker's key in %s: run %s, and make a new key if others use this machine", cleantext.OneLine(file), private.Remedy(file, false))
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

func (a *app) keyringOptions(ctx context.Context) place.Asking {
	o := place.Asking{Prompt: promptForProgram, Stop: ctx.Done()}
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
