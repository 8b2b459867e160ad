package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/seal"
	"codexauth/store/keyring"
)

// globalFlags are those that every command takes.
type globalFlags struct {
	profile, store, issuer, clientID, identityFile, caFile string
	json, verbose, noColor                                 bool
}

func (g *globalFlags) define(f *pflag.FlagSet) {
	f.StringVar(&g.profile, "profile", "", "`NAME` of the login to use (CODEXAUTH_PROFILE; default \"default\")")
	f.StringVar(&g.store, "store", "", "`ADDRESS` of where logins are kept, such as file:DIR or keyring:, or of a broker that has one, such as broker+unix:PATH (CODEXAUTH_STORE; default CODEXAUTH_HOME or the system's state directory)")
	f.StringVar(&g.issuer, "issuer", "", "`URL` of the authorization server (CODEXAUTH_ISSUER; default OpenAI)")
	f.StringVar(&g.clientID, "client-id", "", "OAuth client `ID` (CODEXAUTH_CLIENT_ID; default the official command line's)")
	f.StringVar(&g.identityFile, "identity-file", "", "age identity `FILE` that seals the store, fd:N, or prompt (CODEXAUTH_IDENTITY_FILE)")
	f.StringVar(&g.caFile, "ca-file", "", "PEM `FILE` of certificate authorities to trust beside the system's (CODEXAUTH_CA_FILE)")
	f.BoolVar(&g.json, "json", false, "print the answer, and errors, as JSON")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log to standard error what happens, without secrets")
	f.BoolVar(&g.noColor, "no-color", false, "no colours (also NO_COLOR)")
}

// A namedStore is a store that can say where it is.
type namedStore interface {
	codexauth.Store
	fmt.Stringer
}

// place says where the login is kept and whose it is: what the global flags and
// their variables come to.
type place struct {
	profile  string
	store    namedStore     // nil if there is a broker
	broker   *client.Client // has the login, in place of a store; nil if there is none
	address  string         // the store's, to open it again; it may hold a password
	lockDir  string         // for lock files of our own, on this machine
	provider codexauth.Provider
	sealer   *seal.Sealer // nil: the store is plain
	ownKey   bool         // the sealer is the store's own, as a keyring's is
	caFile   string       // absolute; "" if none
	http     *http.Client // nil: the usual one

	asking keyring.Options // how a keyring that is opened asks for its password
	// health, where a kind of store has one, tells doctor more about the store than
	// every store can. It changes nothing and ends when ctx does.
	health func(ctx context.Context) finding
}

// sealing is the place's Sealer, as a nil interface where there is none.
func (p *place) sealing() codexauth.Sealer {
	if p.sealer == nil {
		return nil
	}
	return p.sealer
}

// place reads the global flags. It opens the store and reads nothing in it.
func (a *app) place(cmd *cobra.Command) (*place, error) {
	p, store, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	a.warnOfPassword(a.flags.store)
	if err := p.openStore(store); err != nil {
		return nil, err
	}
	a.opened = append(a.opened, p)
	a.ownKey = p.ownKey
	if p.broker != nil {
		a.leased = true
		return p, p.onlyLogin()
	}
	p.store = heedingStore{p.store, a.heedSignals}
	return p, nil
}

// settings is place without the store, of which it returns the address.
func (a *app) settings(cmd *cobra.Command) (p *place, store string, err error) {
	g, err := a.given(cmd)
	if err != nil {
		return nil, "", err
	}
	p = g.newPlace()
	p.asking = a.keyringOptions(cmd.Context())
	if p.sealer, err = a.sealer(g.identity); err != nil {
		return nil, "", err
	}
	return p, g.store, p.trust(g.caFile)
}

// given is what the global flags, or their variables, say.
type given struct{ profile, store, issuer, clientID, identity, caFile string }

func (a *app) given(cmd *cobra.Command) (given, error) {
	var err error
	setting := func(name, value, variable string) string {
		if value == "" && cmd.Flags().Changed(name) {
			// Most likely a shell variable that is not set. Taking the default
			// for it could end the wrong login.
			err = errors.Join(err, usagef("--%s is empty", name))
		}
		if value == "" {
			value = os.Getenv(variable)
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
func (g given) newPlace() *place {
	return &place{profile: g.profile, provider: codexauth.Provider{Issuer: g.issuer, ClientID: g.clientID}}
}

// lockFile names a lock file of our own for the profile: any text is a profile,
// and not any is a file name. "" names none, where there is no place for one.
func (p *place) lockFile(what string) string {
	if p.broker != nil && p.lockDir == "" {
		p.lockDir = localDir(p.address) // only here: most commands need nothing of this machine
	}
	if p.lockDir == "" {
		return ""
	}
	name := sha256.Sum256([]byte(p.profile))
	return filepath.Join(p.lockDir, what+"-"+hex.EncodeToString(name[:8]))
}

// trust reads the certificates to trust beside the system's.
func (p *place) trust(caFile string) (err error) {
	if caFile == "" {
		return nil
	}
	if p.caFile, err = filepath.Abs(caFile); err != nil {
		return err
	}
	p.http, err = httpClient(p.caFile)
	return err
}

// manager opens the place and makes a Manager for it. The caller closes it with
// app.finish.
func (a *app) manager(cmd *cobra.Command) (*codexauth.Manager, *place, error) {
	p, err := a.place(cmd)
	if err != nil {
		return nil, nil, err
	}
	c := a.config(p)
	c.Lazy = true
	m, err := codexauth.NewManager(c)
	return m, p, err
}

// config is a Manager's for the place. Rotations run in processes of their own.
func (a *app) config(p *place) codexauth.Config {
	c := codexauth.Config{Key: p.profile, Provider: p.provider, HTTPClient: p.http, Log: a.log()}
	if p.broker != nil {
		c.Lessor = p.broker
		return c
	}
	c.Store, c.Sealer, c.Delegate = p.store, p.sealing(), a.delegate(p)
	return c
}

// log is nil, which is silent, without -v.
func (a *app) log() *slog.Logger {
	if !a.flags.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
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
	names, err := p.store.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// patiently bounds the wait for a claim that nobody gives up.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
