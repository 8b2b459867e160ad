package place

import (
	"errors"
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/hint"
)

// A Kind of place is what a program links to find a login there. Files and brokers
// need none.
type Kind struct {
	Link Linked
	Open func(p *Place, address, rest string) error // of an address that is KIND:rest
	// Identity opens the key that a setting names; nil for a kind of store.
	Identity func(name string) (Sealer, error)
}

// Linked is what a Kind links.
type Linked string

// What there is to link. Each is the package of codexauth/open that does.
const (
	Keyring    Linked = "keyring"
	PostgreSQL Linked = "postgres"
	Etcd       Linked = "etcd"
	Age        Linked = "age"
)

// ErrNotLinked: the login is in a kind of place that this program does not link.
var ErrNotLinked = errors.New("not linked into this program")

// opener finds the kind that opens an address; known says that there is such a kind.
func opener(kinds []Kind, scheme string) (k *Kind, link Linked, known bool) {
	switch scheme {
	case "keyring":
		link = Keyring
	case "postgres", "postgresql":
		link = PostgreSQL
	case "etcd", "etcds":
		link = Etcd
	default:
		return nil, "", false
	}
	return linked(kinds, link), link, true
}

func linked(kinds []Kind, link Linked) *Kind {
	for i := range kinds {
		if kinds[i].Link == link {
			return &kinds[i]
		}
	}
	return nil
}

func notLinked(what string, link Linked) error {
	return hint.With(fmt.Errorf("%s, which is %w", what, ErrNotLinked),
		fmt.Sprintf("give %s.Kind() of codexauth/open/%[1]s to open.Manager", link))
}

// Unseal opens the key that a setting names; "" is none.
func (p *Place) Unseal(name string, kinds []Kind) (err error) {
	if name == "" {
		return nil
	}
	k := linked(kinds, Age)
	if k == nil {
		return notLinked("the login is sealed with a key of age", Age)
	}
	p.Sealer, err = k.Identity(name)
	return err
}

// A Sealer is a key, and can say where it comes from.
type Sealer interface {
	codexauth.Sealer
	fmt.Stringer
	Handover() ([]byte, error) // the key for a process that can't ask anybody
}

// Asking is how a place that wants a person's leave asks for it.
type Asking struct {
	Timeout   time.Duration   // bounds each step that needs no person; 0 is the usual one
	Prompt    time.Duration   // how long a person has; negative: nobody is asked
	Prompting func()          // when a person is asked; nil if nobody wants to know
	Stop      <-chan struct{} // ends the waiting when it is closed
}
