package moving

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/foreign"
	"codexauth/internal/hint"
	"codexauth/internal/oauth"
	"codexauth/internal/place"
)

type importOptions struct {
	copyDangerous, force, list bool
	from                       string // the tool whose login it is
	aether                     string // the file of another tool
}

// Import makes the command that takes over the login of another tool.
func Import(r *run.Run) *cobra.Command {
	a := &app{r}
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import [FILE|-]",
		Short: "Take over the login of the official Codex CLI or of another tool",
		Long: `Take over the login of the official Codex CLI: that of its auth.json (in
$CODEX_HOME, else ~/.codex), of another FILE, or, with -, of standard input. With
--from, take over another tool's: ` + strings.Join(foreign.Names()[1:], ", ") + `.

A login is moved, not copied: its refresh token can be used once, so of two
programs that hold it the second ends the login. Once the login is stored here,
FILE is renamed to a backup, which must not be used again; where FILE holds other
logins, too, only this one is taken out of it. Quit the tool first: not every one
respects a lock. For the Codex CLI to go on with this login, run "codexauth setup codex".

--list shows which tools on this machine hold a login, and what importing it
would do. Without FILE and --from, and where the Codex CLI is not signed in, the
list is shown as well; if it is one login, a person at a terminal is asked.`,
		Example: `  codexauth import && codexauth setup codex
  codexauth import --list
  codexauth import --from opencode
  ssh build codexauth import - < auth.json     sign in a machine without a browser`,
		Args: run.AtMostOneArg("FILE, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runImport(cmd, strings.Join(args, ""), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.copyDangerous, "copy-dangerous", false, "leave FILE as it is, although two programs then share one refresh token")
	f.BoolVar(&o.force, "force", false, "replace the stored login even if it is newer or another account's")
	f.BoolVar(&o.list, "list", false, "list the logins that tools on this machine hold, and change nothing")
	f.StringVar(&o.from, "from", "", "take over the login of `TOOL`: "+strings.Join(foreign.Names(), ", "))
	f.StringVar(&o.aether, "reference", "", "take over the login of a credentials.enc `FILE` (age, passphrase; "+aetherPassword+") instead")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions(foreign.Names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) runImport(cmd *cobra.Command, file string, o importOptions) error {
	switch {
	case o.aether != "" && (file != "" || o.from != "" || o.list):
		return hint.Usage("--reference excludes FILE, --from and --list", "leave one of them out")
	case o.list && (file != "" || o.from != "" || o.force || o.copyDangerous):
		return hint.Usage("--list imports nothing, and looks at every tool", "leave the others out")
	case o.list:
		return a.importList(cmd)
	case o.aether != "":
		return a.importAether(cmd, o.aether, o)
	case file == "-" && o.from != "" && o.from != foreign.Codex:
		return hint.Usage("standard input is read as the Codex CLI's auth.json, and --from names another tool", "name the tool's FILE")
	case file == "-":
		return a.importStdin(cmd, o)
	}
	return a.importFrom(cmd, file, o)
}

// neighbourPatience is how long a command waits for another tool to finish a refresh.
const neighbourPatience = 15 * time.Second

// lockNeighbour keeps the Codex CLI from refreshing what is at path.
func (a *app) lockNeighbour(ctx context.Context, path string) (unlock func(), err error) {
	return a.lockTool(ctx, foreign.Named(foreign.Codex), path)
}

// lockTool keeps a tool from refreshing what is at path, if it heeds a lock.
func (a *app) lockTool(ctx context.Context, t *foreign.Tool, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, neighbourPatience)
	defer cancel()
	defer a.After(time.Second, "waiting for a program that holds the lock of "+cleantext.OneLine(path)+"…")()
	return t.Lock(ctx, path)
}

// An imported login, and what became of the file it came from.
type imported struct {
	stored  bool
	account codexauth.Account
	tool    *foreign.Tool
	path    string // empty for standard input
	backup  string // empty if there is none
	others  int    // other logins, which are still in the file
	left    bool   // the file was left as it is
	linked  bool   // it has another name
}

func (a *app) importStdin(cmd *cobra.Command, o importOptions) error {
	if o.copyDangerous {
		return hint.Usage("--copy-dangerous is for a FILE, and - is not one", "leave it out")
	}
	if ui.IsTerminal(a.Stdin) {
		return hint.Usage("standard input is a terminal", "pipe the file into it: `codexauth import - < auth.json`")
	}
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	data, err := codexcli.ReadAuthFrom(a.Stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	done, err := a.importAuth(cmd.Context(), m, p, data, o)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return a.tellImport(done, p)
}

// importAuth stores the login of an auth.json.
func (a *app) importAuth(ctx context.Context, m *codexauth.Manager, p *place.Place, data []byte, o importOptions) (imported, error) {
	auth, err := codexcli.ParseAuth(data)
	if err != nil {
		return imported{}, hint.With(err, "sign in instead: "+a.Command("login"))
	}
	if err := sameOrigin(p, auth); err != nil {
		return imported{}, err
	}
	return a.importLogin(ctx, m, auth.Login, o)
}

// sameOrigin refuses a login that its file says is from elsewhere. A refresh
// token goes to the issuer that the person named, and to no other.
func sameOrigin(p *place.Place, auth codexcli.Auth) error {
	ours, err := p.Provider.Complete()
	if err != nil {
		return err
	}
	if issuer := strings.TrimSuffix(auth.Issuer, "/"); issuer != "" && issuer != ours.Issuer {
		return fmt.Errorf("%w: it is from %s, and this is for %s", codexauth.ErrOtherLogin, cleantext.Message(issuer), ours.Issuer)
	}
	if auth.ClientID != "" && auth.ClientID != ours.ClientID {
		return fmt.Errorf("%w: it is the client %s's, and this is %s", codexauth.ErrOtherLogin, cleantext.Message(auth.ClientID), ours.ClientID)
	}
	return nil
}

// importLogin stores a login that was found elsewhere.
func (a *app) importLogin(ctx context.Context, m *codexauth.Manager, c codexauth.Credential, o importOptions) (imported, error) {
	stop := a.Waiting()
	stored, err := m.Import(ctx, c, codexauth.SignInOptions{Replace: o.force, Replaced: a.TellReplaced})
	stop()
	if errors.Is(err, codexauth.ErrSignedIn) {
		err = hint.With(err, "to replace the stored login all the same: "+a.Command("import --force"))
	}
	if err != nil {
		return imported{}, err
	}
	account, err := codexauth.ParseAccount(c.AccessToken.Reveal())
	if errors.Is(err, oauth.ErrNoAccountID) {
		err = nil // its id token told, or its file, or nobody
		if s, stErr := m.Status(ctx); stErr == nil && stored {
			account = s.Account
		}
	}
	return imported{stored: stored, account: account}, err
}
