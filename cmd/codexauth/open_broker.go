package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/broker/client"
)

// A broker in place of a store: tokens are leased, and nothing is kept here.

func (p *place) openBroker(address string) error {
	var o client.Options
	if p.http != nil {
		o.TLS = p.http.Transport.(*http.Transport).TLSClientConfig // see httpClient
	}
	c, err := client.New(address, o)
	if err != nil {
		return brokerAddress(err)
	}
	p.broker, p.address = c, c.String()
	return nil
}

func brokerAddress(err error) error {
	if !errors.Is(err, client.ErrAddress) {
		return err
	}
	return &usageError{"--store (or CODEXAUTH_STORE): " + err.Error(), "for example --store broker+unix:/run/codexauth/serve.sock, or 'broker+https://host:8461?key-file=PATH'"}
}

// onlyLogin refuses a profile's name, which would say one login and mean another.
func (p *place) onlyLogin() error {
	if p.profile == codexauth.DefaultKey {
		return nil
	}
	return &usageError{"a broker has one login, and --profile (or CODEXAUTH_PROFILE) can't choose another", "leave it out: the profile is chosen where the broker runs"}
}

// kept is nil if the login is kept here, for commands that need that.
func (p *place) kept() error {
	if p.broker == nil {
		return nil
	}
	return &usageError{"the login is kept by the broker at " + oneLine(p.where()) + ", and this command is for where it is kept",
		"run it where the broker runs, or name a store with --store (or CODEXAUTH_STORE)"}
}

// keeper is app.manager for a command that needs the login itself.
func (a *app) keeper(cmd *cobra.Command) (*codexauth.Manager, *place, error) {
	m, p, err := a.manager(cmd)
	if err == nil {
		err = p.kept()
	}
	return m, p, err
}

// storePlace is app.place for a command that needs a store.
func (a *app) storePlace(cmd *cobra.Command) (*place, error) {
	p, err := a.place(cmd)
	if err == nil {
		err = p.kept()
	}
	return p, err
}

// where names the store or the broker, without a secret.
func (p *place) where() string {
	if p.broker != nil {
		return p.broker.String()
	}
	return p.store.String()
}

func (p *place) whereLabel() string {
	if p.broker != nil {
		return "Broker"
	}
	return "Store"
}

// portable is the address for another program's settings: they are no place for a
// password, and that program may lack the variables that are set here.
func (p *place) portable() (string, error) {
	if p.broker == nil {
		if holdsPassword(p.address) || passwordIsSet(p.address) {
			return "", &usageError{"the store's password is in its address or in a variable, which the Codex CLI's settings must not hold and the Codex CLI may not have",
				"put it into a file of yours alone, and add passfile=PATH to the address"}
		}
		return p.address, nil
	}
	address, err := p.broker.Portable()
	if err != nil {
		return "", &usageError{"the broker's key is in a variable, which the Codex CLI may not have", "put it into a file of yours alone, and add ?key-file=PATH to the address"}
	}
	return address, nil
}

// judgeBroker tells apart what is wrong on the way to a broker.
func judgeBroker(err error) (v verdict, ok bool) {
	const anotherKey = "`codexauth serve key add NAME --lease` where the broker runs makes one"
	is := func(target error) bool { return errors.Is(err, target) }
	var refusal *client.Error
	switch {
	case is(client.ErrNoKey):
		return verdict{"no_key", exitUsage, "name its file with ?key-file=PATH in the address or CODEXAUTH_BROKER_KEY_FILE, or set CODEXAUTH_BROKER_KEY; " + anotherKey}, true
	case is(client.ErrKeyRefused):
		return verdict{"key_refused", exitRefused, anotherKey}, true
	case is(client.ErrLeaseRefused):
		return verdict{"lease_refused", exitUsage, "a token is for the broker's own user on its socket, and for keys with the right to lease (" + anotherKey + "); others send their requests to the broker"}, true
	case is(client.ErrUntrusted):
		return verdict{"untrusted", exitUsage, "name the authority that vouches for it with ?ca-file=PATH in the address, or --ca-file"}, true
	case is(client.ErrNotBroker):
		return verdict{"not_a_broker", exitUsage, "check --store and CODEXAUTH_STORE"}, true
	case is(client.ErrUnreachable):
		return verdict{"broker_unreachable", exitTryLater, "nothing was lost; see that `codexauth serve` runs there, and run the command again"}, true
	case errors.As(err, &refusal) && refusal.Code == "wrong_host":
		return verdict{"wrong_host", exitUsage, "start the broker with --host and the name that it is reached by"}, true
	}
	return verdict{}, false
}
