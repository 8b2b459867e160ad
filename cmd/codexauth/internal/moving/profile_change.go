package moving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/remember"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

func (a *app) profileUseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "use NAME",
		Short: "Choose the login to use where none is named",
		Long: `Write into the config file which login is in use where none is named, for
every shell, job and program of yours. A store or a key that a flag names goes there
with it, as that profile's own.`,
		Example: `  codexauth profile use work
  codexauth profile use default`,
		Args:              run.OneArg("the profile's name"),
		ValidArgsFunction: a.FirstProfile,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.profileUse(cmd, args[0]) },
	}
}

func (a *app) profileUse(cmd *cobra.Command, name string) error {
	p, err := a.placeOfProfile(cmd, name)
	if err != nil {
		return err
	}
	if err := a.hasLogin(cmd.Context(), p); err != nil {
		return err
	}
	wishes := append([]remember.Wish{{Name: config.Profile, Value: name}}, remember.WishesOfFlags(a.Said, p)...)
	m, err := (&remember.Offer{Yes: true}).Memo(cmd.Context(), a.Run, name, true, wishes...)
	if err != nil {
		return err
	}
	if m.Fulfilled() {
		a.Say("The profile %s is in use already, in every shell that names no other.", cleantext.OneLine(name))
	}
	return m.Keep(cmd.Context())
}

// placeOfProfile opens the place of the profile that an argument names.
func (a *app) placeOfProfile(cmd *cobra.Command, name string) (*place.Place, error) {
	if a.Flags.Profile != "" && a.Flags.Profile != name {
		return nil, hint.Usage("--profile names one profile and the argument another", "leave --profile out")
	}
	a.Flags.Profile = name
	return a.Place(cmd)
}

// hasLogin refuses a profile that there is not.
func (a *app) hasLogin(ctx context.Context, p *place.Place) error {
	if p.Broker != nil {
		return nil
	}
	_, err := p.Store.Load(ctx, p.Profile)
	if errors.Is(err, codexauth.ErrNotFound) {
		return a.noProfile(p.Profile, p)
	}
	return err
}

func (a *app) profileRenameCommand() *cobra.Command {
	var force bool
	var o *remember.Offer
	cmd := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give a stored login another name",
		Long: `Give a stored login another name, and its settings in the config file with it.
A command that still uses the old name says where the login went. If it is
interrupted, run it again.`,
		Example:           `  codexauth profile rename default private`,
		Args:              run.TwoArgs("arguments", "OLD", "NEW"),
		ValidArgsFunction: a.FirstProfile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.profileRename(cmd, args[0], args[1], force, o)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace another login of that name")
	o = remember.Flags(cmd)
	return cmd
}

func (a *app) profileRename(cmd *cobra.Command, name, next string, force bool, o *remember.Offer) error {
	if name == next {
		return hint.Usagef("OLD and NEW are the same name")
	}
	if err := o.Check(); err != nil {
		return err
	}
	p, err := a.placeOfProfile(cmd, name)
	if err == nil {
		err = p.Kept()
	}
	if err == nil {
		err = a.hasLogin(cmd.Context(), p)
	}
	if err != nil {
		return err
	}
	settings, err := a.renamedSettings(cmd.Context(), name, next)
	if err != nil {
		return err
	}
	var m *remember.Memo // that the profile in use has another name
	if inUse := remember.InAnotherShell(a.Said.File, "").Get(config.Profile); settings == nil && cmp.Or(inUse.Value, config.DefaultProfile) == name {
		if m, err = o.Memo(cmd.Context(), a.Run, next, false, remember.Wish{Name: config.Profile, Value: next}); err != nil {
			return err
		}
	}
	a.HeedSignals()
	ctx, cancel := run.Patiently(cmd.Context())
	defer cancel()
	err = p.Login(name).MoveTo(ctx, codexauth.Place{Key: next}, a.replacing(force))
	if errors.Is(err, codexauth.ErrSignedIn) {
		err = hint.With(err, "choose another name, or add --force to replace that login")
	}
	rest := settings != nil || m != nil && m.Writes() // what an earlier run may not have come to
	if err != nil && !(rest && movedAlready(err, next, "")) {
		return err
	}
	a.Say("The login %s is called %s now. Change the name in programs and jobs that use the old one.", cleantext.OneLine(name), cleantext.OneLine(next))
	if settings != nil {
		if _, err := config.Apply(context.WithoutCancel(ctx), *settings); err != nil {
			return hint.With(fmt.Errorf("that is done, but its settings still have the old name: %w", err), "fix that, then rename it there by hand")
		}
		a.Say("So are its settings in %s.", cleantext.OneLine(a.Said.File.Path))
	}
	if m != nil {
		return m.Keep(ctx)
	}
	return nil
}

// renamedSettings is the change that gives a profile's settings its new name, once it
// is sure that it can be made; nil if they don't name the profile.
func (a *app) renamedSettings(ctx context.Context, name, next string) (*config.Change, error) {
	f := a.Said.File
	inUse, _ := f.Value("", config.Profile)
	table := slices.Contains(f.Profiles(), name)
	switch {
	case !table && inUse != name:
		return nil, nil
	case table && slices.Contains(f.Profiles(), next):
		return nil, hint.Usage(fmt.Sprintf("the config file has settings for a profile %q already", cleantext.OneLine(next)), "take its table out of "+cleantext.OneLine(f.Path)+", or choose another name")
	}
	change := config.Rename(name, next)
	if err := config.Try(ctx, change); err != nil {
		return nil, fmt.Errorf("nothing was done: %w", err)
	}
	return &change, nil
}
