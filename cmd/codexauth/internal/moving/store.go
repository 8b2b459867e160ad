package moving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/remember"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
	"codexauth/internal/private"
	"codexauth/seal"
)

// Store makes the command that seals a login, or brings it to another store.
func Store(r *run.Run) *cobra.Command {
	a := &app{r}
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Seal the stored login, or move it to another store",
		Example: `  codexauth store seal
  codexauth store copy file: keyring:
  codexauth store copy file:/old/place file:/new/place`,
		Args: run.UnknownCommand,
		RunE: run.NoCommand,
	}
	cmd.AddCommand(a.storeSealCommand(), a.storeKeygenCommand(), a.storeResealCommand(), a.storeCopyCommand())
	return cmd
}

func (a *app) storeKeygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a new key file to seal a store with",
		Long: `Make a new key file (an age identity, post-quantum hybrid, mode 0600) and print
its public key. An existing file is never overwritten. Whoever loses the key
loses the sealed login, and signs in again.`,
		Example: `  codexauth store keygen ~/.config/codexauth.key
  export CODEXAUTH_IDENTITY_FILE=~/.config/codexauth.key
  codexauth login`,
		Args: run.OneArg("the key file to make"),
		RunE: func(cmd *cobra.Command, args []string) error {
			recipient, err := seal.WriteNew(args[0])
			if err != nil {
				return err
			}
			a.Say("Wrote %s. Keep a copy of it in a safe place, apart from copies of the store.", cleantext.OneLine(args[0]))
			if a.Flags.JSON {
				return a.PrintJSON(map[string]string{"file": args[0], "recipient": recipient})
			}
			return a.Print(recipient + "\n")
		},
	}
}

func (a *app) storeResealCommand() *cobra.Command {
	var to string
	var o *remember.Offer
	cmd := &cobra.Command{
		Use:   "reseal --to FILE|prompt|plain",
		Short: "Encrypt the stored login with another key, or with none",
		Long: `Rewrite the stored login: opened with the key that --identity-file names (none
for a plain one), sealed with the one that --to names. Every program that uses
the login then needs the new key. Backups of the store keep the old one.`,
		Example: `  codexauth store reseal --to ~/.config/codexauth.key
  codexauth --identity-file old.key store reseal --to new.key
  codexauth --identity-file old.key store reseal --to plain`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeReseal(cmd, to, o) },
	}
	cmd.Flags().StringVar(&to, "to", "", "the new key: a `FILE`, prompt for a passphrase, or plain")
	_ = cmd.RegisterFlagCompletionFunc("to", run.KeyWords("prompt", "plain")) // it fails only for a flag that does not exist
	o = remember.Flags(cmd)
	return cmd
}

func (a *app) storeReseal(cmd *cobra.Command, to string, o *remember.Offer) error {
	if to == "" {
		return hint.Usage("--to is missing: the new key", "name a key file (`codexauth store keygen FILE` makes one), or prompt, or plain")
	}
	p, err := a.openForSealing(cmd, o)
	if err != nil {
		return err
	}
	var next codexauth.Sealer // nil, and not a nil *seal.Sealer
	key := ""
	if to != "plain" {
		key = remember.LastingKey(to)
		s, err := a.Sealer(to)
		if err != nil {
			return err
		}
		next = s
	}
	m, err := a.memoOfKey(cmd.Context(), o, p, key)
	if err != nil {
		return err
	}
	if err := a.reseal(cmd.Context(), p, next); err != nil {
		return err
	}
	if next == nil {
		a.Say("The login is stored in plain text now, protected by its file's %s alone.", private.Kept)
	} else {
		a.Say("The login is sealed with %s now; every program that uses it needs that key, and backups keep the old form.", cleantext.OneLine(to))
	}
	return m.Keep(cmd.Context())
}

// openForSealing opens a store in which a login may have another key.
func (a *app) openForSealing(cmd *cobra.Command, o *remember.Offer) (*place.Place, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	p, err := a.StorePlace(cmd)
	if err == nil && p.OwnKey {
		err = hint.Usage("a keyring store keeps the key that the keyring has",
			"to have another key, or none, move the login to a file store: "+a.Command("store copy keyring: file:DIR"))
	}
	return p, err
}

// memoOfKey is the memo of a login that stays where it is and gets another key, or
// none. A key in the file is for the store that the file names, so both go there.
func (a *app) memoOfKey(ctx context.Context, o *remember.Offer, p *place.Place, key string) (*remember.Memo, error) {
	store := remember.Wish{Name: config.Store, Value: p.Lasting(a.Said.Get(config.Store).Value)}
	return o.Memo(ctx, a.Run, p.Profile, remember.HasCompany(ctx, p), store, remember.Wish{Name: config.IdentityFile, Value: key})
}

func (a *app) reseal(ctx context.Context, p *place.Place, next codexauth.Sealer) error {
	a.HeedSignals()
	ctx, cancel := run.Patiently(ctx)
	defer cancel()
	err := p.Login(p.Profile).Reseal(ctx, next)
	if errors.Is(err, codexauth.ErrNotFound) {
		return fmt.Errorf("profile %q: %w", p.Profile, codexauth.ErrSignedOut)
	}
	return err
}

func (a *app) storeCopyCommand() *cobra.Command {
	var force bool
	var o *remember.Offer
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Move the login to another store",
		Long: `Bring the login of the profile from one store to another, and sign the first one
out: two stores that hold one refresh token would log each other out. The server
is not told, and the login goes on. If it is interrupted, run it again.

At a terminal it asks whether to remember the new place for every shell, in the
config file; --remember and --no-remember say so without being asked.`,
		Example: `  codexauth store copy file: keyring:      seal it with a key in your keyring
  codexauth store copy file:/old/place file:/new/place
  codexauth --profile work store copy file:$HOME/.local/state/codexauth file:/srv/codexauth`,
		Args:              run.TwoArgs("stores", "FROM", "TO"),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.storeCopy(cmd, args[0], args[1], force, o) },
		ValidArgsFunction: twoStores,
	}
	o = remember.Flags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replace another login at the new place")
	return cmd
}

func (a *app) storeCopy(cmd *cobra.Command, from, to string, force bool, o *remember.Offer) error {
	if err := o.Check(); err != nil {
		return err
	}
	p, _, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	a.WarnOfPassword(from, to)
	source, err := side(p, "FROM", from)
	if err != nil {
		return err
	}
	target, err := side(p, "TO", to)
	if err != nil {
		return err
	}
	a.CloseAtEnd(source, target)
	if err := errors.Join(source.Kept(), target.Kept()); err != nil {
		return err
	}
	switch {
	case source.Store.String() == target.Store.String():
		return hint.Usagef("FROM and TO are the same store")
	case source.LockDir != "" && source.LockDir == target.LockDir:
		return hint.Usage("FROM and TO are the same directory", "name another one for TO, such as keyring:DIR")
	}
	wishes := []remember.Wish{{Name: config.Store, Value: target.Lasting(to)}}
	if !target.OwnKey {
		wishes = append(wishes, remember.Wish{Name: config.IdentityFile, Value: remember.LastingKey(a.Said.Get(config.IdentityFile).Value)})
	}
	m, err := o.Memo(cmd.Context(), a.Run, p.Profile, remember.HasCompany(cmd.Context(), source), wishes...)
	if err != nil {
		return err
	}
	a.HeedSignals()
	ctx, cancel := run.Patiently(cmd.Context())
	defer cancel()
	err = source.Login(p.Profile).MoveTo(ctx, target.Login(p.Profile), a.replacing(force))
	if errors.Is(err, codexauth.ErrSignedIn) {
		err = hint.With(err, "add --force to replace that login, or name another place")
	}
	if err != nil && !(m.Writes() && movedAlready(err, p.Profile, target.Store.String())) {
		return err
	}
	a.Say("The login is in %s now, and no longer in %s.", cleantext.OneLine(target.Store.String()), cleantext.OneLine(source.Store.String()))
	return m.Keep(cmd.Context())
}

// side opens one of the two stores of a copy. The key that the person named is
// for the one that has none of its own, or for both.
func side(p *place.Place, called, address string) (*place.Place, error) {
	s := &place.Place{Profile: p.Profile, Asking: p.Asking, Called: called}
	if err := s.Open(address, every.Kinds()); err != nil {
		return nil, err
	}
	if !s.OwnKey {
		s.Sealer = p.Sealer
	}
	return s, nil
}

// twoStores offers them for the arguments of store copy.
func twoStores(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) >= 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	kinds, directive := run.StoreKinds(cmd, args, prefix)
	return slices.DeleteFunc(kinds, func(kind string) bool { return strings.HasPrefix(kind, "broker") }), directive
}
