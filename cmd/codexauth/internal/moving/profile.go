package moving

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/reserved"
)

// Profile makes the command about the logins of a store, each by its name.
func Profile(r *run.Run) *cobra.Command {
	a := &app{r}
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "List the stored logins, choose, rename or remove one",
		Example: `  codexauth profile list
  codexauth --profile work login       make a second one
  codexauth profile use work           in every shell`,
		Args: run.UnknownCommand,
		RunE: run.NoCommand,
	}
	cmd.AddCommand(a.profileListCommand(), a.profileUseCommand(), a.profileRenameCommand(), a.profileRemoveCommand())
	return cmd
}

func (a *app) profileListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the logins of the store; * marks the one in use",
		Example: `  codexauth profile list
  codexauth profile list --json | jq -r '.[].profile'`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.profileList(cmd) },
	}
}

// A profileBody is one login in the list. What is not known is null.
type profileBody struct {
	Profile   string  `json:"profile"`
	State     string  `json:"state"` // see place.Place.Describe
	AccountID *string `json:"account_id"`
	Email     *string `json:"email"`
	Issuer    *string `json:"issuer"`
	Current   bool    `json:"current"`  // the one in use, in this shell
	MovedTo   *string `json:"moved_to"` // where a login went that is signed out here
}

func (a *app) profileList(cmd *cobra.Command) error {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	keys, err := p.Profiles(cmd.Context())
	if err != nil {
		return err
	}
	profiles := []profileBody{} // [] and not null
	for _, key := range keys {
		profiles = append(profiles, describe(cmd.Context(), p, key))
		profiles[len(profiles)-1].Current = key == p.Profile
	}
	if a.Flags.JSON {
		return a.PrintJSON(profiles)
	}
	if len(profiles) == 0 {
		a.Say("There are no logins in %s; %s makes one.", cleantext.OneLine(p.Store.String()), a.Command("login"))
		return nil
	}
	rows := [][]string{{"PROFILE", "STATE", "ACCOUNT", "EMAIL", "ISSUER"}}
	show := func(s *string) string {
		if s == nil {
			return "-"
		}
		return cleantext.Line(*s)
	}
	for _, p := range profiles {
		name, state := cleantext.OneLine(p.Profile), p.State
		if p.Current {
			name += " *"
		}
		if p.MovedTo != nil {
			state = "moved to " + show(p.MovedTo)
		}
		rows = append(rows, []string{name, state, show(p.AccountID), show(p.Email), show(p.Issuer)})
	}
	return a.PrintTable(rows)
}

// describe tells what is stored under key, whoever's login it is.
func describe(ctx context.Context, p *place.Place, key string) profileBody {
	state, s := p.Describe(ctx, key)
	return profileBody{
		Profile: key, State: state,
		AccountID: ui.Known(s.Account.ID), Email: ui.Known(s.Account.Email), Issuer: ui.Known(s.Issuer),
		MovedTo: ui.Known(s.MovedTo),
	}
}

func (a *app) profileRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "rm NAME",
		Aliases: []string{"remove"},
		Short:   "Remove a stored login without telling the server",
		Long: `Remove a stored login without telling the server, whose session lives on.
"codexauth logout" is the better way to end a login; this one removes what
logout leaves, and what can't be read any more.`,
		Example:           `  codexauth --profile work logout && codexauth profile rm work --force`,
		Args:              run.OneArg("the profile's name"),
		ValidArgsFunction: a.FirstProfile,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.profileRemove(cmd, args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "don't ask")
	return cmd
}

func (a *app) profileRemove(cmd *cobra.Command, name string, force bool) error {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	a.Profile = name
	ctx := cmd.Context()
	if reserved.Is(name) { // it is there, and no profile
		return a.noProfile(name, p)
	}
	if _, err := p.Store.Load(ctx, name); errors.Is(err, codexauth.ErrNotFound) {
		return a.noProfile(name, p)
	}
	body := describe(ctx, p, name)
	if body.State != string(codexauth.StateSignedOut) {
		a.Say("warning: this does not end the server's session; %s does", a.Command("logout"))
	}
	if !force {
		if !a.CanAsk() {
			return hint.Usage("removing a login asks first, and there is no terminal to ask at", "add --force to remove it without being asked")
		}
		if err := a.Confirm(ctx, fmt.Sprintf("Remove the login %q (%s)?", cleantext.OneLine(name), body.State)); err != nil {
			return err
		}
	}
	a.HeedSignals()
	if err := a.remove(ctx, p, name); err != nil {
		return err
	}
	a.Say("Removed %q from %s.", cleantext.OneLine(name), cleantext.OneLine(p.Store.String()))
	return nil
}

func (a *app) remove(ctx context.Context, p *place.Place, name string) error {
	claim, err := p.Store.Claim(ctx, name)
	if err != nil {
		return err
	}
	defer claim.Release()
	if claim.Record() == nil {
		return a.noProfile(name, p)
	}
	return claim.Delete(ctx)
}

func (a *app) noProfile(name string, p *place.Place) error {
	a.Profile = codexauth.DefaultKey // no hint is about one that is not there
	return hint.With(fmt.Errorf("there is no profile %q in %s", name, p.Store), a.Command("profile list")+" shows what there is")
}
