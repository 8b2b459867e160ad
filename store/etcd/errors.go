package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"codexauth"
	"codexauth/internal/cleantext"
)

// told is an error with a text of its own.
type told struct {
	text string
	err  error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.err }

// Status codes of gRPC that mean something here.
const (
	grpcInvalid         = 3
	grpcNotFound        = 5
	grpcExists          = 6
	grpcDenied          = 7
	grpcExhausted       = 8
	grpcPrecondition    = 9
	grpcOutOfRange      = 11
	grpcUnavailable     = 14
	grpcUnauthenticated = 16
)

// statusError is what etcd answered instead of doing what it was asked.
type statusError struct {
	http    int
	grpc    int // 0: it was not etcd's gateway that answered
	message string
}

func (e *statusError) Error() string {
	if e.grpc == 0 {
		return fmt.Sprintf("an answer that is not etcd's: HTTP %d %s", e.http, e.message)
	}
	return e.message
}

// newStatusError reads the gateway's error. Its words come from elsewhere.
func newStatusError(status int, p *problem, body string) *statusError {
	e := &statusError{http: status}
	if p == nil || p.Code+p.GRPCCode == 0 || p.Message+p.Error == "" {
		e.message = cleantext.Message(body)
		return e
	}
	e.grpc = max(p.Code, p.GRPCCode)
	if e.message = cleantext.Message(p.Message); e.message == "" {
		e.message = cleantext.Message(p.Error)
	}
	return e
}

// final reports whether every endpoint would say the same.
func final(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.grpc {
	case grpcInvalid, grpcNotFound, grpcExists, grpcDenied, grpcExhausted, grpcPrecondition, grpcOutOfRange, grpcUnauthenticated:
		return true
	}
	return false
}

func says(err error, code int, text string) bool {
	var status *statusError
	return errors.As(err, &status) && (code < 0 || status.grpc == code) && strings.Contains(status.message, text)
}

// isStale: the token that a user was given has expired, the server was restarted
// and has forgotten it, or somebody changed users and roles.
func isStale(err error) bool {
	return says(err, grpcUnauthenticated, "") || says(err, grpcInvalid, "revision of auth store is old")
}

// isTimeout: a dial tells it in another way than a context.
func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// errAuthOff: with a user in the address somebody meant the records to be guarded.
var errAuthOff = &told{codexauth.ErrStoreUnsafe.Error() + ": a user is named, and this etcd does not authenticate: whoever reaches it can read every record; `etcdctl auth enable`, or leave the user out", codexauth.ErrStoreUnsafe}

// explain says what happened and what to do. What passes by itself is marked.
func explain(err error) error {
	hint := advice(err)
	passing := !final(err) && !errors.Is(err, codexauth.ErrStoreUnsafe) && !errors.Is(err, context.Canceled) && !isSetup(err)
	if hint == "" && !passing {
		return err
	}
	text := err.Error() + hint
	if passing {
		err = errors.Join(codexauth.ErrTransient, err)
	}
	return &told{text, err}
}

// isSetup: somebody has to change something first.
func isSetup(err error) bool {
	var status *statusError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &status) && status.grpc == 0 && status.http < 500 ||
		errors.As(err, &certificate) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "remote error: tls: ") || strings.Contains(err.Error(), noTLS)
}

// noTLS is net/http's text for an answer that is not encrypted.
const noTLS = "server gave HTTP response to HTTPS client"

// explainCommit is explain for a change: it may have been made all the same, and
// is not said to pass by itself.
func explainCommit(err error) error { return &told{err.Error() + advice(err), err} }

func advice(err error) string {
	switch {
	case says(err, 0, "CommonName"):
		return "; with authentication etcd's gateway takes client certificates without a common name only: make one that has none, and name a user"
	case says(err, 0, "HTTP request to an HTTPS server"):
		return "; it speaks TLS: write etcds:// instead of etcd://"
	case strings.Contains(err.Error(), noTLS):
		return "; it does not speak TLS: write etcd:// instead of etcds://, or have it given a certificate"
	case says(err, 0, ""):
		return "; is it etcd 3.4 or newer, with its JSON gateway (--enable-grpc-gateway)?"
	case says(err, grpcInvalid, "user name is empty"):
		return "; this etcd wants a user: etcds://USER@HOST/…, and its password in " + passwordVariable + " or passfile"
	case says(err, grpcInvalid, "authentication failed"):
		return "; check the user, and its password in " + passwordVariable + " or passfile"
	case says(err, grpcDenied, ""):
		return "; the user's role must be granted reading and writing with this prefix: `etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX`"
	case says(err, grpcExhausted, "space exceeded"):
		return "; compact and defragment it, then `etcdctl alarm disarm`"
	case says(err, grpcInvalid, "too large"):
		return "; raise the server's --max-request-bytes"
	case says(err, grpcUnavailable, "no leader"), says(err, grpcUnavailable, "timed out"):
		return "; have most of its members lost touch with each other?"
	case errors.Is(err, io.EOF):
		return "; does it speak TLS (etcds://) where the address says that it does not (etcd://), or the other way round?"
	case isTimeout(err):
		return "; is the server there, and reachable from here?"
	}
	return ""
}

// plain is the cause of an error of net/http, which repeats the address.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}
