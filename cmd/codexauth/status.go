package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

func (a *app) statusCommand() *cobra.Command {
	var usage, all, check bool
	var warnBefore time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whose login is stored and how it is doing",
		Long: `Show whose login is stored and how it is doing. It needs
no network, unless a broker has the login: then it asks the broker.

With --usage it also asks the backend how much of the account's rate limits is
used. That needs a valid token, so an expired one is refreshed first. What the
store knows is printed in any case.

The exit code is 0 for a login that works (valid, due for a refresh, or expired
with a refresh to come), 3 if nobody is signed in, and 4 if the server no longer
accepts the login; with --usage also 5 if the backend could not be asked now.

With --all it shows every login of the store and every profile that the file of
settings knows, in an array with --json: 4 if one of them is refused, 3 if there
are none.

With --check it answers as monitoring plugins do (Nagios, Icinga, Checkmk): one line,
and the exit code 0 for OK, 1 for WARNING (a refresh failed or was cut off, the token
has expired, or expires within --warn-before), 2 for CRITICAL (somebody has to sign
in, or an expired token can't be refreshed) and 3 for UNKNOWN.`,
		Example: `  codexauth status
  codexauth status --usage
  codexauth status --all
  codexauth status --check --warn-before 10m
  codexauth status --json | jq -r .state`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && (usage || check) {
				return hint.Usage("--all goes neither with --usage nor with --check", "ask for one profile at a time, with --profile")
			}
			if all {
				return a.statusOfAll(cmd)
			}
			if check {
				return a.statusCheck(cmd, warnBefore)
			}
			return a.status(cmd, usage)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show every profile's login")
	cmd.Flags().BoolVar(&check, "check", false, "answer as a monitoring plugin does: one line, and its exit codes")
	cmd.Flags().DurationVar(&warnBefore, "warn-before", 0, "with --check, warn when the token has less than `DURATION` left")
	cmd.Flags().BoolVar(&usage, "usage", false, "ask the backend how much of the rate limits is used")
	return cmd
}

func (a *app) status(cmd *cobra.Command, withUsage bool) error {
	m, p, err := a.Manager(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	s, err := m.Status(cmd.Context())
	if err != nil {
		return err
	}
	var usage *codexauth.Usage
	var usageErr error
	if withUsage && s.State != codexauth.StateSignedOut {
		if usage, usageErr = a.usage(cmd.Context(), m, p); usageErr == nil {
			// A token that had expired is a new one now.
			s, err = m.Status(cmd.Context())
		}
	}
	if err != nil {
		return err
	}
	if a.Flags.JSON {
		err = a.PrintJSON(statusJSON(s, p, usage))
	} else {
		err = a.PrintTable(append(a.statusRows(s, p, time.Now()), a.UsageRows(usage, time.Now())...))
	}
	if err != nil {
		return err
	}
	switch s.State {
	case codexauth.StateSignedOut:
		return run.ExitStatus(verdict.SignedOut)
	case codexauth.StateRefused:
		return run.ExitStatus(verdict.Refused)
	}
	return usageErr
}

// statusBody is the JSON of a status. What is not known is null.
type statusBody struct {
	Profile     string        `json:"profile"`
	Issuer      string        `json:"issuer"`
	AccountID   *string       `json:"account_id"`
	Email       *string       `json:"email"`
	Plan        *string       `json:"plan"`
	ExpiresAt   *string       `json:"expires_at"`
	LastRefresh *string       `json:"last_refresh"`
	SignedIn    *string       `json:"signed_in_at"`
	RefreshDue  *string       `json:"refresh_due_at"`
	LastRefusal *refusalBody  `json:"last_refusal"`
	Store       string        `json:"store"`
	Sealed      bool          `json:"sealed"`
	State       string        `json:"state"`
	Usage       *ui.UsageBody `json:"usage"` // null if it was not asked for, or not answered
}

type refusalBody struct {
	Code string `json:"code"`
	At   string `json:"at"`
}

func statusJSON(s codexauth.Status, p *place.Place, usage *codexauth.Usage) statusBody {
	body := statusBody{
		Profile: s.Key, Issuer: s.Issuer, Store: p.Where(), Sealed: s.Sealed, State: string(s.State),
		AccountID: ui.Known(s.Account.ID), Email: ui.Known(s.Account.Email), Plan: ui.Known(s.Account.Plan),
		ExpiresAt: ui.KnownTime(s.ExpiresAt), LastRefresh: ui.KnownTime(s.LastRefresh), Usage: ui.UsageJSON(usage),
		SignedIn: ui.KnownTime(s.SignedIn), RefreshDue: ui.KnownTime(refreshDue(s)),
	}
	if r := s.LastRefusal; r != nil {
		body.LastRefusal = &refusalBody{r.Code, ui.RFC3339(r.At)}
	}
	return body
}

// refreshDue is when the token is due; zero where no refresh comes, or it is not known,
// as after the clock was set back.
func refreshDue(s codexauth.Status) time.Time {
	if s.DueAt.Unix() <= 0 || s.State == codexauth.StateRefused {
		return time.Time{}
	}
	return s.DueAt
}

// statusRows is the status for people.
func (a *app) statusRows(s codexauth.Status, p *place.Place, now time.Time) [][]string {
	rows := [][]string{
		{"Profile", cleantext.OneLine(s.Key)},
		{"State", a.stateText(s.State)},
	}
	if s.Rescued != "" && s.State == codexauth.StateSignedOut { // before anybody signs in again
		rows[1][1] = a.StyleOf(a.Stdout).Red("its store is not here, and a rescued login waits in " + cleantext.OneLine(s.Rescued) + ": " + a.Judges().AwayHint())
	}
	if s.MovedTo != "" {
		rows[1][1] = a.StyleOf(a.Stdout).Red("not signed in here: the login was moved to " + cleantext.OneLine(s.MovedTo))
	}
	add := func(label, text string) {
		if text != "" {
			rows = append(rows, []string{label, text})
		}
	}
	if s.State != codexauth.StateSignedOut {
		add("Account", ui.AccountText(s.Account))
		add("Account ID", ui.AccountID(s.Account))
		if !s.SignedIn.IsZero() {
			add("Signed in", ui.When(s.SignedIn, now))
		}
		theirs := now.Add(s.Skew) // these two are by the issuer's clock
		add("Token expires", ui.When(s.ExpiresAt, theirs))
		add("Last refresh", ui.When(s.LastRefresh, theirs))
		if due := refreshDue(s); s.State == codexauth.StateValid && !due.IsZero() {
			add("Next refresh", ui.When(due, now))
		}
		add("Sealed", sealedText(s.Sealed, p))
	}
	if r := s.LastRefusal; r != nil {
		add("Refused", ui.When(r.At, now)+": "+ui.Reason(r))
	}
	if s.Pending != nil {
		add("Refresh begun", cleantext.Line(s.Pending.String())+", outcome not known yet")
	}
	if s.Rescued != "" && s.State != codexauth.StateSignedOut {
		add("Rescued", "a newer token waits in "+cleantext.OneLine(s.Rescued)+": "+a.Command("token")+" puts it back, or says why it can't")
	}
	if s.Failure != nil {
		add("Last attempt", cleantext.OneLine(s.Failure.Error()))
		add("Next attempt", ui.When(s.RetryAt, now))
	}
	add("Issuer", cleantext.OneLine(s.Issuer))
	add(p.WhereLabel(), cleantext.OneLine(p.Where()))
	return rows
}

// stateText says a state and, where it calls for something, what to do.
func (a *app) stateText(s codexauth.State) string {
	text := map[codexauth.State]string{
		codexauth.StateValid:     "valid",
		codexauth.StateDue:       "valid, due for a refresh: the next `codexauth token` does it",
		codexauth.StateExpired:   "expired: the next `codexauth token` refreshes it",
		codexauth.StateSignedOut: "not signed in: run " + a.Command("login"),
		codexauth.StateRefused:   "no longer accepted by the server: run " + a.Command("login"),
	}[s]
	st := a.StyleOf(a.Stdout)
	switch s {
	case codexauth.StateValid, codexauth.StateDue:
		return st.Green(text)
	case codexauth.StateRefused, codexauth.StateSignedOut:
		return st.Red(text)
	}
	return text
}

// sealedText says whether the login is encrypted, and if not how to do that.
func sealedText(sealed bool, p *place.Place) string {
	switch {
	case p.Broker != nil:
		return "" // where the broker runs it can be told
	case sealed:
		return "yes"
	}
	return "no: plain text, " + p.Readers() + " (see `codexauth store --help`)"
}

// usage asks the backend how much of the rate limits is used.
func (a *app) usage(ctx context.Context, m *codexauth.Manager, p *place.Place) (*codexauth.Usage, error) {
	a.HeedSignals() // the token may need a refresh
	defer a.After(time.Second, "waiting for the backend…")()
	u, err := m.Usage(ctx, p.Traced(p.BackendTransport()))
	if err != nil {
		return nil, fmt.Errorf("the usage could not be read: %w", err)
	}
	return u, nil
}
