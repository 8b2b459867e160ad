package run

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

// Flags are those that every command takes.
type Flags struct {
	Profile, Store, Issuer, ClientID, IdentityFile, CAFile string
	JSON, Verbose                                          bool
}

// DefineGlobals defines the flags that every command takes.
func (r *Run) DefineGlobals(f *pflag.FlagSet) {
	g := &r.Flags
	f.StringVar(&g.Profile, "profile", "", "`NAME` of the login to use (CODEXAUTH_PROFILE; default \"default\")")
	f.StringVar(&g.Store, "store", "", "where logins are kept, an `ADDRESS` such as file:DIR or keyring:, or a broker's, such as broker+unix:PATH (CODEXAUTH_STORE; default CODEXAUTH_HOME or the system's state directory)")
	f.StringVar(&g.Issuer, "issuer", "", "`URL` of the authorization server (CODEXAUTH_ISSUER; default OpenAI)")
	f.StringVar(&g.ClientID, "client-id", "", "OAuth client `ID` (CODEXAUTH_CLIENT_ID; default the official command line's)")
	f.StringVar(&g.IdentityFile, "identity-file", "", "age identity `FILE` that seals the store, fd:N, or prompt (CODEXAUTH_IDENTITY_FILE)")
	f.StringVar(&g.CAFile, "ca-file", "", "PEM `FILE` of certificate authorities to trust in addition to the system's (CODEXAUTH_CA_FILE)")
	f.BoolVar(&g.JSON, "json", false, "print the answer, and errors, as JSON")
	f.BoolVarP(&g.Verbose, "verbose", "v", false, "log what happens to standard error, without secrets")
	f.BoolVar(&r.NoColor, "no-color", false, "no colours (also NO_COLOR)")
}

// Settings is Place without the store, of which it returns the address.
func (r *Run) Settings(cmd *cobra.Command) (p *place.Place, store string, err error) {
	s, err := r.Resolve(cmd)
	if err != nil {
		return nil, "", err
	}
	if p, err = r.placeOf(cmd.Context(), s); err != nil {
		return nil, "", err
	}
	return p, s.Get(config.Store).Value, nil
}

// placeOf is the place that settings name, with no store opened yet.
func (r *Run) placeOf(ctx context.Context, s *config.Settings) (p *place.Place, err error) {
	p = place.Of(s)
	p.Log = r.Log()
	p.Asking = r.keyringOptions(ctx)
	if p.Sealer, err = r.Sealer(s.Get(config.IdentityFile).Value); err != nil {
		return nil, err
	}
	if err := p.Trust(s.Get(config.CAFile).Value); err != nil {
		return nil, err
	}
	if p.Distrust != nil {
		r.Say("warning: %s", cleantext.OneLine(p.Distrust.Error()))
	}
	return p, nil
}

// Resolve decides every setting of this run: a flag, its variable, the file, the
// default.
func (r *Run) Resolve(cmd *cobra.Command) (*config.Settings, error) {
	if err := r.EmptyFlags(cmd); err != nil {
		return nil, err
	}
	f, err := config.Read()
	if err != nil {
		return nil, err
	}
	s := config.Resolve(r.Flags.Value, os.Getenv, f)
	if err := textual(s); err != nil {
		return nil, err
	}
	if profile := s.Get(config.Profile); profile.Source != config.FromFile {
		r.Profile = profile.Value
	}
	r.Said = s
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
			err = errors.Join(err, hint.Usage("--profile (or CODEXAUTH_PROFILE) names no login: that name is reserved", "give another name"))
		}
	}
	return err
}

// EmptyFlags refuses a flag that is given and says nothing. Most likely it is a shell
// variable that is not set, and taking the default for it could end the wrong login.
func (r *Run) EmptyFlags(cmd *cobra.Command) (err error) {
	for _, name := range config.Names() {
		if cmd.Flags().Changed(name) && r.Flags.Value(name) == "" {
			err = errors.Join(err, hint.Usagef("--%s is empty", name))
		}
	}
	return err
}

// Value is what the flag of a setting says.
func (g *Flags) Value(name string) string {
	switch name {
	case config.Profile:
		return g.Profile
	case config.Store:
		return g.Store
	case config.Issuer:
		return g.Issuer
	case config.ClientID:
		return g.ClientID
	case config.IdentityFile:
		return g.IdentityFile
	}
	return g.CAFile
}

// Log is nil, which is silent, without -v.
func (r *Run) Log() *slog.Logger {
	if !r.Flags.Verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(r.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// WarnOfPassword tells once who can read a password on the command line.
func (r *Run) WarnOfPassword(addresses ...string) {
	for _, at := range addresses {
		if address.HoldsPassword(at) && !r.warned {
			r.warned = true
			r.Say("warning: every user of this machine can read the password on this command line; give it with CODEXAUTH_STORE instead, or with PGPASSWORD, a password file or a service file")
		}
	}
}

// warnOfKeyFile tells who else can read the key to a broker. (Its group may be meant
// to: systemd and Kubernetes hand out such files.)
func (r *Run) warnOfKeyFile(p *place.Place) {
	if p.Broker == nil || p.Broker.KeyFile() == "" {
		return
	}
	file := p.Broker.KeyFile()
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		r.Say("warning: every user of this machine can read the broker's key in %s: run %s, and make a new key if others use this machine", cleantext.OneLine(file), private.Remedy(file, false))
	}
}

// A person at a terminal of the machine in front of them gets longer to unlock
// the keyring than a program that runs the command, and that has a time-out of
// its own.
const (
	promptForPerson  = time.Minute
	promptForProgram = 10 * time.Second
)

func (r *Run) keyringOptions(ctx context.Context) place.Asking {
	o := place.Asking{Prompt: promptForProgram, Stop: ctx.Done()}
	if r.CanAsk() && !Remote() {
		o.Prompt = promptForPerson
	}
	if ui.IsTerminal(r.Stderr) {
		o.Prompting = func() { r.Say("The keyring is locked: a window asks for its password…") }
	}
	return o
}

// Remote reports whether the person is at another machine's desktop.
func Remote() bool { return os.Getenv("SSH_CONNECTION") != "" }
