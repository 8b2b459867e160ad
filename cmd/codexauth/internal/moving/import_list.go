package moving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/foreign"
	"codexauth/internal/hint"
	"codexauth/internal/oauth"
	"codexauth/internal/place"
	"codexauth/internal/reason"
)

// What would come of importing a login that a tool holds.
const (
	wouldStore   = "new"           // nobody is signed in here
	wouldReplace = "newer"         // of the stored login's account
	isHeld       = "held"          // the stored login itself, or an older state of it: in two places
	isSpent      = "spent"         // an old copy
	isOther      = "other_account" // than the stored login's
	isOlder      = "not_newer"     // than the stored login, of the same account
	isUnusable   = "unusable"      // the file can't be read, or is not understood
)

// A foundBody is a login that a tool holds. What is not known is null.
type foundBody struct {
	Tool      string  `json:"tool"`
	Path      string  `json:"path"`
	AccountID *string `json:"account_id"`
	Email     *string `json:"email"`
	IssuedAt  *string `json:"issued_at"`
	State     string  `json:"state"`
	Detail    *string `json:"detail"`

	account codexauth.Account
}

// importList shows which tools hold a login.
func (a *app) importList(cmd *cobra.Command) error {
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	all := a.judged(cmd.Context(), m, p, foreign.Find())
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Profile string      `json:"profile"`
			Found   []foundBody `json:"found"`
		}{p.Profile, all})
	}
	if len(all) == 0 {
		a.Say("No tool on this machine holds a login that can be taken over.")
		return nil
	}
	return a.PrintTable(a.foundRows(all))
}

// judged says of each login that was found what would come of importing it.
func (a *app) judged(ctx context.Context, m *codexauth.Manager, p *place.Place, found []foreign.Found) []foundBody {
	all := []foundBody{}
	for _, f := range found {
		if f.Login == nil && f.HoldsNone() {
			continue
		}
		b := foundBody{Tool: f.Tool.Name, Path: f.Path}
		if f.Login == nil {
			b.State, b.Detail = isUnusable, ui.Known(f.Err.Error())
		} else {
			b.judge(ctx, m, p, f.Login)
		}
		all = append(all, b)
	}
	return all
}

// judge fills b with what the tokens tell and what the store says to them.
func (b *foundBody) judge(ctx context.Context, m *codexauth.Manager, p *place.Place, login *foreign.Login) {
	b.account, _ = codexauth.ParseAccount(login.Login.AccessToken.Reveal())
	if b.account.ID == "" {
		b.account.ID = login.Login.Account.ID
	}
	b.AccountID, b.Email = ui.Known(b.account.ID), ui.Known(b.account.Email)
	if claims, err := oauth.ParseClaims(login.Login.AccessToken.Reveal()); err == nil && !claims.IssuedAt.IsZero() {
		b.IssuedAt = ui.Known(ui.RFC3339(claims.IssuedAt))
	}
	err := sameOrigin(p, login.Auth)
	stored := false
	if err == nil {
		stored, err = m.Import(ctx, login.Login, codexauth.SignInOptions{DryRun: true})
	}
	switch {
	case err == nil && !stored:
		b.State = isHeld
	case err == nil:
		b.State = wouldStore
		if s, err := m.Status(ctx); err == nil && s.State != codexauth.StateSignedOut {
			b.State = wouldReplace
		}
	case errors.Is(err, codexauth.ErrSpent):
		b.State = isSpent
	case errors.Is(err, reason.ErrNotNewer):
		b.State = isOlder
	case errors.Is(err, codexauth.ErrSignedIn):
		b.State = isOther
	default:
		b.State, b.Detail = isUnusable, ui.Known(err.Error())
	}
}

func (a *app) foundRows(all []foundBody) [][]string {
	rows := [][]string{{"TOOL", "FILE", "ACCOUNT", "ISSUED", "IMPORT"}}
	for _, b := range all {
		issued, account := "-", "-"
		if b.IssuedAt != nil {
			at, _ := time.Parse(time.RFC3339, *b.IssuedAt)
			issued = ui.Relative(time.Until(at))
		}
		if b.State != isUnusable || b.account != (codexauth.Account{}) {
			account = ui.AccountText(b.account)
		}
		rows = append(rows, []string{b.Tool, cleantext.OneLine(b.Path), account, issued, a.prospect(b)})
	}
	return rows
}

// prospect says what would come of importing b.
func (a *app) prospect(b foundBody) string {
	command := a.Command("import --from " + b.Tool)
	switch b.State {
	case wouldStore:
		return command + " moves it here"
	case wouldReplace:
		return "newer than the stored login of this account; " + command + " takes it over"
	case isHeld:
		return "this is the stored login, in two places: run " + command + ", which takes it out of the file"
	case isSpent:
		return "an old copy, whose refresh token is spent: delete it"
	case isOther:
		return "another account than the stored login's: " + a.Command("--profile NAME import --from "+b.Tool)
	case isOlder:
		return "another login of the same account, not newer than the stored one"
	}
	return cleantext.OneLine(*b.Detail)
}

// theOnlyLogin is the Codex CLI's file, or, where that CLI is not signed in, the only
// login that any tool holds, if a person says so.
func (a *app) theOnlyLogin(ctx context.Context, m *codexauth.Manager, p *place.Place) (*foreign.Tool, string, error) {
	codex := foreign.Named(foreign.Codex)
	if files, err := codex.Files(); err != nil || len(files) > 0 {
		return codex, "", nil
	}
	all := a.judged(ctx, m, p, foreign.Find())
	if len(all) == 0 {
		return codex, "", nil
	}
	b := all[0]
	if a.Flags.JSON || len(all) > 1 || b.State == isUnusable || !a.CanAsk() {
		var who []string
		for _, b := range all {
			who = append(who, b.Tool)
		}
		return nil, "", hint.With(fmt.Errorf("the Codex CLI is not signed in on this machine; a login of another tool is here: %s", strings.Join(slices.Compact(who), ", ")),
			"name the tool: "+a.Command("import --from "+b.Tool)+"; "+a.Command("import --list")+" shows what there is")
	}
	tool := foreign.Named(b.Tool)
	if err := a.Confirm(ctx, fmt.Sprintf("Move the login of %s, %s, here? %s is then signed out.", tool.Title, ui.AccountText(b.account), ui.Capital(tool.Title))); err != nil {
		return nil, "", err
	}
	return tool, b.Path, nil
}
