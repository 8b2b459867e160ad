package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/place"
)

// statusOfAll shows the logins of the store at hand, and those of the profiles that
// the config file knows, which may be elsewhere.
func (a *app) statusOfAll(cmd *cobra.Command) error {
	ctx := cmd.Context()
	here, err := a.Place(cmd)
	if err != nil {
		return err
	}
	names, err := a.knownProfiles(ctx, here)
	if err != nil {
		return err
	}
	bodies := []statusBody{} // [] and not null
	for _, name := range names {
		bodies = append(bodies, a.statusOfProfile(ctx, here, name))
	}
	switch {
	case a.Flags.JSON:
		err = a.PrintJSON(bodies)
	case len(bodies) > 0:
		err = a.PrintTable(rowsOfAll(bodies, here.Profile))
	default:
		a.Say("There are no logins in %s; %s makes one.", cleantext.OneLine(here.Where()), a.Command("login"))
	}
	switch {
	case err != nil:
		return err
	case len(bodies) == 0:
		return run.ExitStatus(verdict.SignedOut)
	case slices.ContainsFunc(bodies, func(b statusBody) bool { return b.State == string(codexauth.StateRefused) }):
		return run.ExitStatus(verdict.Refused)
	}
	return nil
}

// knownProfiles lists the profiles of a place's store and those of the settings.
func (a *app) knownProfiles(ctx context.Context, here *place.Place) (names []string, err error) {
	if here.Broker != nil {
		names = []string{here.Profile}
	} else if names, err = here.Profiles(ctx); err != nil {
		return nil, err
	}
	names = append(names, a.Said.File.Profiles()...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// statusOfProfile is the status of one profile, wherever its login is. One that can't
// be told has a state that says so, and the reason is said.
func (a *app) statusOfProfile(ctx context.Context, here *place.Place, name string) statusBody {
	p, where := here, ""
	var err error
	if name != here.Profile && slices.Contains(a.Said.File.Profiles(), name) {
		p, err = a.openProfile(ctx, name)
	}
	if err == nil {
		where = p.Where()
		var s codexauth.Status
		state := ""
		if p.Broker == nil {
			state, s = p.Describe(ctx, name)
		} else if s, err = leasedStatus(ctx, p); err == nil {
			state = string(s.State)
		}
		if err == nil {
			s.Key = name
			body := statusJSON(s, p, nil)
			body.State = state
			return body
		}
	}
	a.Say("warning: profile %s: %s", cleantext.OneLine(name), cleantext.OneLine(err.Error()))
	return statusBody{Profile: name, Store: where, State: "unreadable"}
}

// leasedStatus is the status of a login that a broker keeps.
func leasedStatus(ctx context.Context, p *place.Place) (codexauth.Status, error) {
	m, err := codexauth.NewManager(p.Config())
	if err != nil {
		return codexauth.Status{}, err
	}
	defer m.Close()
	return m.Status(ctx)
}

// openProfile opens the place of a profile as its settings say.
func (a *app) openProfile(ctx context.Context, name string) (*place.Place, error) {
	flag := func(setting string) string {
		if setting == config.Profile {
			return name
		}
		return a.Flags.Value(setting)
	}
	return a.Open(ctx, config.Resolve(flag, os.Getenv, a.Said.File))
}

func rowsOfAll(bodies []statusBody, current string) [][]string {
	rows := [][]string{{"PROFILE", "STATE", "ACCOUNT", "SIGNED IN", "NEXT REFRESH", "STORE"}}
	now := time.Now()
	when := func(text *string) string {
		if text == nil {
			return "-"
		}
		t, _ := time.Parse(time.RFC3339, *text) // this program's own
		return ui.Relative(t.Sub(now))
	}
	for _, b := range bodies {
		name, account, due := cleantext.OneLine(b.Profile), "-", "-"
		if b.Profile == current {
			name += " *"
		}
		if b.Email != nil {
			account = cleantext.Line(*b.Email)
		} else if b.AccountID != nil {
			account = cleantext.Line(*b.AccountID)
		}
		if b.State == string(codexauth.StateValid) {
			due = when(b.RefreshDue)
		}
		rows = append(rows, []string{name, b.State, account, when(b.SignedIn), due, cleantext.OneLine(b.Store)})
	}
	return rows
}
