// Package open gives a program the login that the command line uses: the one that
// `codexauth login` signed in, wherever its settings say that it is kept.
//
//	manager, err := open.Manager(ctx, keyring.Kind(), age.Kind())
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer manager.Close()
//	token, err := manager.Token(ctx)
//
// The settings are the same: the variables CODEXAUTH_STORE, CODEXAUTH_PROFILE and their
// like, then the file that `codexauth config` shows, then the default, which is a file
// in the system's state directory.
//
// # What is linked
//
// A login in files or at a broker (`codexauth serve`) needs nothing more. What else a
// program is to reach it names, and only that is linked:
//
//	codexauth/open/keyring    a login whose key the system's keyring has
//	codexauth/open/age        a login that is sealed with an age key or a passphrase
//	codexauth/open/postgres   a login in PostgreSQL
//	codexauth/open/etcd       a login in etcd
//
// A program that people use with settings of their own names them all.
package open

import (
	"context"
	"errors"
	"fmt"
	"os"

	"codexauth"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/reason"
)

// A Kind of place that a program links; the packages below this one have them.
type Kind = place.Kind

// ErrSettings: a variable or the config file says what can't be meant, or contradicts
// the others; or the file can't be read, or can't be trusted. The error says which, and
// what to do.
var ErrSettings = errors.New("the settings can't be used")

// ErrUnreadable: the store of the login does not answer, or lets nobody read it.
var ErrUnreadable = errors.New("the store can't be read")

// ErrNotLinked: the login is in a kind of place that the program does not link. The
// error says which package does.
var ErrNotLinked = place.ErrNotLinked

// ErrStoreAway: somebody is signed in, and the store is not where it was: it was moved,
// or is on a volume that is not mounted. It comes with codexauth.ErrSignedOut.
var ErrStoreAway = reason.ErrStoreAway

// Manager returns a Manager of the login that the command line uses. Closing it ends
// the store's connections, too. Its errors say what to do, and can be told apart:
//
//	ErrSettings               the settings can't be used
//	ErrNotLinked              the login is in a kind of place that is not linked
//	codexauth.ErrSignedOut    nobody is signed in under that profile
//	ErrStoreAway              somebody is, and the store is not where it was
//	codexauth.ErrSealed       the login is sealed, and no key is named
//	codexauth.ErrWrongKey     it is sealed for another key
//	ErrUnreadable             its database does not answer, or the like
//	client.ErrUnreachable     nobody answers at the broker (codexauth/broker/client)
//
// Others are the store's, such as codexauth.ErrStoreUnsafe, or the broker's.
func Manager(ctx context.Context, kinds ...Kind) (*codexauth.Manager, error) {
	p, c, err := settled(ctx, kinds)
	if err != nil {
		return nil, err
	}
	m, err := codexauth.NewManager(c)
	if err != nil {
		p.Close()
		return nil, err
	}
	s, err := m.Status(ctx)
	switch {
	case err == nil && s.State == codexauth.StateSignedOut && s.Rescued != "":
		err = fmt.Errorf("%w: %w", codexauth.ErrSignedOut, ErrStoreAway)
	case err == nil && s.State == codexauth.StateSignedOut:
		err = codexauth.ErrSignedOut
	}
	if err != nil {
		m.Close()
		if p.Broker == nil && ctx.Err() == nil && advice(err, "") == "" {
			err = hint.With(fmt.Errorf("%w: %w", ErrUnreadable, err), "`codexauth doctor` says what is in the way")
		}
		return nil, told(fmt.Errorf("profile %q in %s: %w", p.Profile, p.Where(), err), p.Profile)
	}
	return m, nil
}

// Config is what Manager makes its Manager of, for a program that wants a log or the
// like besides, or that starts before anybody has signed in.
func Config(ctx context.Context, kinds ...Kind) (codexauth.Config, error) {
	_, c, err := settled(ctx, kinds)
	return c, err
}

func settled(ctx context.Context, kinds []Kind) (*place.Place, codexauth.Config, error) {
	f, err := config.Read()
	if err != nil {
		return nil, codexauth.Config{}, told(err, "")
	}
	s := config.Resolve(func(string) string { return "" }, os.Getenv, f)
	p := place.Of(s)
	if err := prepare(ctx, p, s, kinds); err != nil {
		p.Close()
		return nil, codexauth.Config{}, told(err, p.Profile)
	}
	c := p.Config()
	c.CloseStore = true
	return p, c, nil
}

// prepare opens what the settings name.
func prepare(ctx context.Context, p *place.Place, s *config.Settings, kinds []Kind) error {
	p.Called = "the store of the settings"
	if s.Get(config.Store).Source == config.FromVariable {
		p.Called = config.VariableOf(config.Store)
	}
	p.Asking.Stop = ctx.Done()
	if err := p.Unseal(s.Get(config.IdentityFile).Value, kinds); err != nil {
		return err
	}
	if err := p.Trust(s.Get(config.CAFile).Value); err != nil {
		return err
	}
	if err := p.OpenAs(s, kinds); err != nil {
		return err
	}
	return p.Chosen(s)
}
