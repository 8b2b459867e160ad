package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
)

// Failures between a client and its broker. Failures of the broker's
// login are the errors of package codexauth.
var (
	// ErrNoKey: there is no key to show, or it is malformed.
	ErrNoKey = errors.New("there is no key")
	// ErrKeyRefused: the broker does not take the key, or no longer.
	ErrKeyRefused = errors.New("the broker does not take the key")
	// ErrLeaseRefused: the key is for the proxy only.
	ErrLeaseRefused = errors.New("this client gets no access token")
	// ErrNotBroker: the server that answers is not a broker, or not this client's.
	ErrNotBroker = errors.New("not the broker")
	// ErrUnreachable: nobody answers at the broker's address. It passes.
	ErrUnreachable = errors.New("the broker does not answer")
	// ErrUntrusted: the broker's certificate is not trusted.
	ErrUntrusted = errors.New("the broker's certificate is not trusted")
)

// Error is a broker's refusal. errors.Is matches it with what its Code means:
// [codexauth.ErrSignedOut], [codexauth.ErrRefused], [codexauth.ErrTransient],
// [codexauth.ErrRateLimited], [ErrKeyRefused], [ErrLeaseRefused].
type Error struct {
	Status  int    // HTTP
	Code    string // as package broker lists them; "" if the answer had none
	Message string // the broker's words, safe to show
	kind    error
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the broker answered %d", e.Status)
	}
	return "the broker says: " + e.Message
}

// Unwrap returns what the refusal means.
func (e *Error) Unwrap() error { return e.kind }

// noBroker says that something else answers at the address.
func (c *Client) noBroker(why string) error {
	return fmt.Errorf("%w: the server at %s is not a codexauth broker: %s", ErrNotBroker, c.address.short(), why)
}

// refused reads an answer that is not a success.
func (c *Client) refused(resp *http.Response, text []byte) error {
	var body struct {
		Error struct{ Message, Code string }
	}
	ours := json.Unmarshal(text, &body) == nil && body.Error.Code != ""
	e := &Error{Status: resp.StatusCode, Code: body.Error.Code, Message: cleantext.Message(strings.TrimPrefix(body.Error.Message, "codexauth: "))}
	var passes bool
	switch {
	case !ours && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return c.noBroker(fmt.Sprintf("it answers %d", resp.StatusCode))
	case !ours: // a gateway before it, most likely
		passes = true
	case e.Code == "signed_out":
		e.kind = codexauth.ErrSignedOut
	case e.Code == "refused":
		e.kind = codexauth.ErrRefused
	case e.Code == "unauthorized":
		e.kind = ErrKeyRefused
	case e.Code == "lease_refused":
		e.kind = ErrLeaseRefused
	case e.Code == "try_later", e.Code == "stopping", e.Code == "slow_client":
		passes = true
	}
	if e.Status == http.StatusTooManyRequests {
		e.kind, passes = codexauth.ErrRateLimited, true
	}
	if !passes {
		return e
	}
	return &codexauth.RetryError{At: retryTime(resp.Header.Get("Retry-After")), Err: e}
}

// retryTime is zero if the header names no number of seconds.
func retryTime(header string) time.Time {
	n, err := strconv.Atoi(header)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.Now().Add(min(seconds(int64(n)), maxRetryAfter))
}

// unreachable says why there was no answer.
func (c *Client) unreachable(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var stranger *StrangerError
	is := func(target error) bool { return errors.Is(err, target) }
	where := c.address.short()
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("%w: %s: %w", ErrUntrusted, where, tidy(certificate.Err))
	case errors.As(err, &stranger):
		return stranger
	case errors.As(err, &record):
		return c.noBroker("it does not speak TLS")
	case is(context.Canceled):
		return err
	case is(context.DeadlineExceeded), isTimeout(err):
		err = errors.New("no answer in time")
	case c.address.socket == "":
	case is(fs.ErrPermission):
		return fmt.Errorf("%w: the broker's socket %s is another user's: %w", ErrLeaseRefused, where, fs.ErrPermission)
	case is(fs.ErrNotExist), isMissing(c.address.socket): // Windows says that it was refused
		err = errors.New("there is no such socket")
	case !isDialing(err): // the end of a connection goes by several names
		err = errors.New("it closed the connection, as it does for users that it does not serve")
	}
	return &codexauth.RetryError{Err: &unreachable{fmt.Errorf("the broker at %s does not answer: %w", where, tidy(err))}}
}

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// unreachable is ErrUnreachable with a reason.
type unreachable struct{ error }

func (e *unreachable) Unwrap() error { return e.error }

func (e *unreachable) Is(target error) bool { return target == ErrUnreachable }

// isDialing reports whether there was no connection yet.
func isDialing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// tidy drops what net says about addresses, which the message has already.
func tidy(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys
	}
	return err
}

// urlPath escapes a path for a parameter.
func urlPath(path string) string { return url.QueryEscape(path) }
