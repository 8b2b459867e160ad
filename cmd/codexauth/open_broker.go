package main

import (
	"errors"
	"net/http"

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
