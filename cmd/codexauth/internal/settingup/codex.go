package settingup

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/toolfile"
)

type codexOptions struct {
	print, undo bool
	baseURL     string
}

func (a *app) setupCodexCommand(tool func() (string, error)) *cobra.Command {
	var o codexOptions
	cmd := &cobra.Command{
		Use:   "codex",
		Short: "Set the official Codex CLI up to use this login",
		Long: `Set the official Codex CLI up to take its bearer token from "codexauth token":
as many of them as you like, at once, on one login.

It adds a model provider to the CLI's config.toml (in $CODEX_HOME, else ~/.codex)
and makes it the one in use. A backup is kept; --undo takes back exactly what was
added. Run it again after a sign-in with another account.`,
		Example: `  codexauth setup codex
  codexauth setup codex --print     show the settings and change nothing
  codexauth setup codex --undo`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.print && o.undo:
				return hint.Usage("--print and --undo contradict each other", "give one of the two")
			case o.undo:
				return a.undoCodex(cmd)
			}
			return a.setupCodex(cmd, o, tool)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.print, "print", false, "print the settings and change nothing")
	f.BoolVar(&o.undo, "undo", false, "take the settings back")
	f.StringVar(&o.baseURL, "base-url", "", "`URL` of the backend, https or on this machine (default the issuer's)")
	return cmd
}

func (a *app) setupCodex(cmd *cobra.Command, o codexOptions, tool func() (string, error)) error {
	command, err := tool()
	if err != nil {
		return err
	}
	provider, err := a.codexProvider(cmd, o, command)
	if err != nil {
		return err
	}
	if o.print {
		return a.Print(provider.Text())
	}
	config, err := readConfig()
	switch {
	case err != nil && config.Path != "":
		return setupHint(err, "codex", config.Path)
	case err != nil:
		return err
	}
	text, err := provider.SetUp(config.Text)
	if err != nil {
		return setupHint(err, "codex", config.Path)
	}
	backup, err := "", error(nil)
	changed := text != config.Text
	if changed {
		if backup, err = config.Replace(text, true); err != nil {
			return setupHint(err, "codex", config.Path)
		}
	}
	if set, _, _ := codexcli.FindSetup(text); set.Profile != "" {
		a.Say("warning: the profile %q, which that file puts into use, has a model_provider of its own, and that comes first: take it out of the profile, or the Codex CLI goes on with it.", set.Profile)
	}
	return a.tellSetup(config.Path, backup, changed)
}

func readConfig() (toolfile.File, error) {
	home, err := codexcli.Home()
	if err != nil {
		return toolfile.File{}, hint.With(err, "set CODEX_HOME to the directory of its config.toml")
	}
	return codexcli.ReadConfig(home)
}

func (a *app) tellSetup(path, backup string, changed bool) error {
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Path    string  `json:"path"`
			Changed bool    `json:"changed"`
			Backup  *string `json:"backup"`
		}{path, changed, ui.Known(backup)})
	}
	if !changed {
		a.Say("The Codex CLI is set up already; nothing was changed.")
		return nil
	}
	a.Say("The Codex CLI now uses this login; see %s.", cleantext.OneLine(path))
	if backup != "" {
		a.Say("The previous file is in %s; `codexauth setup codex --undo` takes the change back.", cleantext.OneLine(backup))
	}
	return nil
}

func (a *app) undoCodex(cmd *cobra.Command) error {
	config, err := readConfig()
	if err != nil {
		return err
	}
	byHand := "edit " + config.Path + " by hand: the lines are marked"
	text, err := codexcli.Undo(config.Text)
	if err != nil {
		return hint.With(err, byHand)
	}
	changed := text != config.Text
	if changed {
		if _, err := config.Replace(text, false); err != nil {
			return undoHint(err, "codex", config.Path, byHand)
		}
	}
	if a.Flags.JSON {
		return a.tellSetup(config.Path, "", changed)
	}
	if changed {
		a.Say("Took the settings out of %s.", cleantext.OneLine(config.Path))
	} else {
		a.Say("The Codex CLI was not set up here; nothing was changed.")
	}
	return nil
}

const (
	// tokenMargin is more than the five minutes for which the Codex CLI keeps a
	// token, so that it never holds one that has expired.
	tokenMargin  = "10m"
	tokenRefresh = 5 * time.Minute
	// tokenTimeout is longer than a refresh takes on a bad day. When it is over
	// the CLI kills the command, which loses nothing.
	tokenTimeout = 30 * time.Second
)

// codexProvider is the model provider for the login that is stored.
func (a *app) codexProvider(cmd *cobra.Command, o codexOptions, command string) (codexcli.Provider, error) {
	m, p, err := a.Manager(cmd)
	if err != nil {
		return codexcli.Provider{}, err
	}
	defer a.Finish(m)
	status, err := m.Status(cmd.Context())
	if err != nil {
		return codexcli.Provider{}, err
	}
	if status.State == codexauth.StateSignedOut {
		return codexcli.Provider{}, codexauth.ErrSignedOut
	}
	target := p.Provider
	if o.baseURL != "" {
		target.BackendURL = o.baseURL
	}
	if target, err = target.Complete(); err != nil {
		if o.baseURL != "" {
			err = hint.Usage("--base-url can't be used: "+err.Error(), "it takes an https URL, or an http one on this machine")
		}
		return codexcli.Provider{}, err
	}
	headers := map[string]string{}
	if status.Account.ID != "" {
		headers["ChatGPT-Account-ID"] = status.Account.ID
	}
	if status.Account.FedRAMP {
		headers["x-openai-fedramp"] = "true"
	}
	args, err := a.tokenArgs(p)
	return codexcli.Provider{
		BaseURL: target.BackendURL, Command: command, Args: args,
		Timeout: tokenTimeout, Refresh: tokenRefresh, Headers: headers,
	}, err
}

// tokenArgs are the arguments of a `codexauth token` for this very login,
// whatever the environment that it will run in.
func (a *app) tokenArgs(p *place.Place) ([]string, error) {
	var args []string
	add := func(flag, value string) { args = append(args, flag, value) }
	// Named always: `profile use` may choose another one tomorrow, whose account this
	// program's headers do not name.
	if p.Broker == nil {
		add("--profile", p.Profile)
	}
	if a.Said.Get(config.Store).Source != config.FromDefault || os.Getenv("CODEXAUTH_HOME") != "" {
		store, err := p.Portable()
		if err != nil {
			return nil, err
		}
		add("--store", store)
	}
	if identity := a.Said.Get(config.IdentityFile).Value; identity != "" {
		path, err := filepath.Abs(identity)
		if err != nil {
			return nil, err
		}
		add("--identity-file", path)
	}
	if p.CAFile != "" {
		add("--ca-file", p.CAFile)
	}
	if p.Provider.Issuer != "" {
		add("--issuer", p.Provider.Issuer)
	}
	if p.Provider.ClientID != "" {
		add("--client-id", p.Provider.ClientID)
	}
	return append(args, "token", "--min-valid", tokenMargin, "--repeat-means-refused"), nil
}
