package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/reword"
)

// Status codes of gRPC that mean something here. Foreign is not one of them: it was
// not etcd's gateway that answered.
const (
	Foreign         = 0
	Invalid         = 3
	NotFound        = 5
	exists          = 6
	Denied          = 7
	Exhausted       = 8
	precondition    = 9
	outOfRange      = 11
	Unavailable     = 14
	unauthenticated = 16
)

// StatusError is what etcd answered instead of doing what it was asked.
type StatusError struct {
	HTTP    int
	Code    int // gRPC's, or Foreign
	message string
}

func (e *StatusError) Error() string {
	if e.Code == Foreign {
		return fmt.Sprintf("an answer that is not etcd's: HTTP %d %s", e.HTTP, e.message)
	}
	return e.message
}

// newStatusError reads the gateway's error. Its words come from elsewhere.
func newStatusError(status int, p *problem, body string) *StatusError {
	e := &StatusError{HTTP: status}
	if p == nil || p.Code+p.GRPCCode == 0 || p.Message+p.Error == "" {
		e.message = cleantext.Message(body)
		return e
	}
	e.Code = max(p.Code, p.GRPCCode)
	if e.message = cleantext.Message(p.Message); e.message == "" {
		e.message = cleantext.Message(p.Error)
	}
	return e
}

// Final reports whether every endpoint would say the same.
func Final(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Code {
	case Invalid, NotFound, exists, Denied, Exhausted, precondition, outOfRange, unauthenticated:
		return true
	}
	return false
}

// Says reports whether etcd answered with this code, in a text that contains text.
func Says(err error, code int, text string) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code && strings.Contains(status.message, text)
}

// isStale: the token that a user was given has expired, the server was restarted
// and has forgotten it, or somebody changed users and roles.
func isStale(err error) bool {
	return Says(err, unauthenticated, "") || Says(err, Invalid, "revision of auth store is old")
}

// IsTimeout reports whether the time ran out: a dial says so in another way than a
// context.
func IsTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// errAuthOff: with a user in the address somebody meant the records to be guarded.
func errAuthOff() error {
	return reword.As(codexauth.ErrStoreUnsafe.Error()+": a user is named, and this etcd does not authenticate: whoever reaches it can read every record; `etcdctl auth enable`, or leave the user out", codexauth.ErrStoreUnsafe)
}

// joined is all that the endpoints said, in one line.
func joined(errs []error) error {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return reword.As(strings.Join(texts, "; "), errors.Join(errs...))
}

// plain is the cause of an error of net/http, which repeats the address.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}
