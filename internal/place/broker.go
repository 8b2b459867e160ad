package place

import (
	"errors"
	"net/http"
	"os"
	"strings"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/internal/address"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// A broker in place of a store: tokens are leased, and nothing is kept here.

func (p *Place) openBroker(at string) error {
	var o client.Options
	if p.HTTP != nil {
		o.TLS = p.HTTP.Transport.(*http.Transport).TLSClientConfig // see httpClient
	}
	o.Log = p.Log
	c, err := client.New(at, o)
	if err != nil {
		return brokerAddress(err)
	}
	p.Broker, p.Address = c, c.String()
	return nil
}

func brokerAddress(err error) error {
	if !errors.Is(err, client.ErrAddress) {
		return err
	}
	return hint.Usage("--store (or CODEXAUTH_STORE): "+err.Error(), "for example --store broker+unix:/run/codexauth/serve.sock, or 'broker+https://host:8461?key-file=PATH'")
}

// OnlyLogin refuses a profile's name, which would say one login and mean another.
func (p *Place) OnlyLogin() error {
	if p.Profile == codexauth.DefaultKey {
		return nil
	}
	return hint.Usage("a broker has one login, and --profile (or CODEXAUTH_PROFILE) can't choose another", "leave it out: the profile is chosen where the broker runs")
}

// Kept is nil if the login is kept here, for commands that need that.
func (p *Place) Kept() error {
	if p.Broker == nil {
		return nil
	}
	return hint.Usage("the login is kept by the broker at "+cleantext.OneLine(p.Where())+", and this command does not work through a broker",
		"run it where the broker runs, or name a store with --store (or CODEXAUTH_STORE)")
}

// Where names the store or the broker, without a secret.
func (p *Place) Where() string {
	if p.Broker != nil {
		return p.Broker.String()
	}
	return p.Store.String()
}

// WhereLabel is what Where names.
func (p *Place) WhereLabel() string {
	if p.Broker != nil {
		return "Broker"
	}
	return "Store"
}

// Portable is the address for another program's settings: they are no place for a
// password, and that program may lack the variables that are set here.
func (p *Place) Portable() (string, error) {
	if p.Broker == nil {
		if address.HoldsPassword(p.Address) || PasswordVariable(p.Address) != "" {
			return "", hint.Usage("the store's password is in its address or in a variable, which another program's settings must not hold and that program may not have",
				"put it into a file of yours alone, and add passfile=PATH to the address")
		}
		return p.Address, nil
	}
	portable, err := p.Broker.Portable()
	if err != nil {
		return "", hint.Usage("the broker's key is in a variable, which another program may not have", "put it into a file of yours alone, and add ?key-file=PATH to the address")
	}
	return portable, nil
}

// PasswordVariable is the variable that holds the password for an address; "" if none
// does.
func PasswordVariable(at string) string {
	for kind, variable := range map[string]string{"postgres": "PGPASSWORD", "etcd": "CODEXAUTH_ETCD_PASSWORD"} {
		if strings.HasPrefix(at, kind) && os.Getenv(variable) != "" {
			return variable
		}
	}
	return ""
}
