package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

func (a *app) profileUseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "use NAME",
		Short: "Choose the login that is in use where none is named",
		Long: `Write into the file of settings which login is in use where none is named, for
every shell, job and program of yours. A store or a key that a flag names goes there
with it, as that profile's own.`,
		Example: `  codexauth profile use work
  codexauth profile use default`,
		Args:              oneArg("the profile's name"),
		ValidArgsFunction: a.firstProfile,
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
	wishes := append([]wish{{config.Profile, name}}, a.wishesOfFlags(p)...)
	m, err := a.memo(cmd.Context(), &offer{yes: true}, name, true, wishes...)
	if err != nil {
		return err
	}
	if len(m.wishes) == 0 {
		a.Say("The profile %s is in use already, in every shell that names no other.", cleantext.OneLine(name))
	}
	return m.keep(cmd.Context())
}

// placeOfProfile opens the place of the profile that an argument names.
func (a *app) placeOfProfile(cmd *cobra.Command, name string) (*place.Place, error) {
	if a.flags.profile != "" && a.flags.profile != name {
		return nil, hint.Usage("--profile names one profile and the argument another", "leave --profile out")
	}
	a.flags.profile = name
	return a.place(cmd)
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

// wishesOfFlags are the store and the key that flags name, so that other shells find
// the login without them.
func (a *app) wishesOfFlags(p *place.Place) (wishes []wish) {
	store, key := a.said.Get(config.Store), a.said.Get(config.IdentityFile)
	if store.Source == config.FromFlag {
		wishes = append(wishes, wish{config.Store, p.Lasting(store.Value)})
	}
	if key.Source == config.FromFlag || len(wishes) > 0 && !p.OwnKey && p.Broker == nil {
		wishes = append(wishes, wish{config.IdentityFile, lastingKey(key.Value)})
	}
	return wishes
}

func (a *app) profileRenameCommand() *cobra.Command {
	var force bool
	var o *offer
	cmd := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give a stored login another name",
		Long: `Give a stored login another name, and its settings in the file of settings with it.
Whoever still names the old one is told where the login went. If it is interrupted,
run it again.`,
		Example:           `  codexauth profile rename default private`,
		Args:              twoArgs("arguments", "OLD", "NEW"),
		ValidArgsFunction: a.firstProfile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.profileRename(cmd, args[0], args[1], force, o)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace another login of that name")
	o = offerFlags(cmd)
	return cmd
}

func (a *app) profileRename(cmd *cobra.Command, name, next string, force bool, o *offer) error {
	if name == next {
		return hint.Usagef("OLD and NEW are the same name")
	}
	if err := o.check(); err != nil {
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
	var m *memo // that the profile in use has another name
	if inUse := inAnotherShell(a.said.File, "").Get(config.Profile); settings == nil && cmp.Or(inUse.Value, config.DefaultProfile) == name {
		if m, err = a.memo(cmd.Context(), o, next, false, wish{config.Profile, next}); err != nil {
			return err
		}
	}
	a.heedSignals()
	ctx, cancel := patiently(cmd.Context())
	defer cancel()
	err = p.Login(name).MoveTo(ctx, codexauth.Place{Key: next}, force)
	if errors.Is(err, codexauth.ErrSignedIn) {
		err = hint.With(err, "choose another name, or add --force to replace that login")
	}
	if err != nil {
		return err
	}
	a.Say("The login %s is called %s now. Where a program or a job names the old one, name the new one.", cleantext.OneLine(name), cleantext.OneLine(next))
	if settings != nil {
		if _, err := config.Apply(context.WithoutCancel(ctx), *settings); err != nil {
			return hint.With(fmt.Errorf("that is done, but its settings still have the old name: %w", err), "mend that, then rename it there by hand")
		}
		a.Say("So are its settings in %s.", cleantext.OneLine(a.said.File.Path))
	}
	if m != nil {
		return m.keep(ctx)
	}
	return nil
}

// renamedSettings is the change that gives a profile's settings its new name, once it
// is sure that it can be made; nil if they don't name the profile.
func (a *app) renamedSettings(ctx context.Context, name, next string) (*config.Change, error) {
	f := a.said.File
	inUse, _ := f.Value("", config.Profile)
	table := slices.Contains(f.Profiles(), name)
	switch {
	case !table && inUse != name:
		return nil, nil
	case table && slices.Contains(f.Profiles(), next):
		return nil, hint.Usage(fmt.Sprintf("the file of settings has settings for a profile %q already", cleantext.OneLine(next)), "take its table out of "+cleantext.OneLine(f.Path)+", or choose another name")
	}
	change := config.Rename(name, next)
	if err := config.Try(ctx, change); err != nil {
		return nil, fmt.Errorf("nothing was done: %w", err)
	}
	return &change, nil
}
