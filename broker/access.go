package broker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

var (
	errRevoked = errors.New("the key was revoked")
	errExpired = errors.New("the key has expired")
)

// client is who asks.
type client struct {
	name  string // for the audit log
	lease bool
	key   *heldKey // nil on a Unix socket
}

// checkSite refuses web pages. A page elsewhere may reach us by a name of its
// own (DNS rebinding), which the Host shows, or by ours, which its Origin shows.
// No answer ever has a CORS header.
func (s *Server) checkSite(r *http.Request) *refusal {
	if _, ok := r.Header["Origin"]; ok {
		return refuse(http.StatusForbidden, "origin_refused", "this server is not for web pages: send no Origin")
	}
	if _, ok := peerOf(r.Context()); ok {
		return nil // a name never led anybody to a Unix socket
	}
	if !s.hostAllowed(r.Host) {
		return refuse(http.StatusMisdirectedRequest, "wrong_host", "this server does not answer to that Host")
	}
	return nil
}

// hostAllowed takes loopback names, whatever the port (it may be forwarded), and
// the configured ones.
func (s *Server) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return true
	}
	return host != "" && slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// admit says who asks, or why nobody does.
func (s *Server) admit(r *http.Request) (client, *refusal) {
	if p, ok := peerOf(r.Context()); ok {
		return client{name: p.String(), lease: p.own}, nil
	}
	text, ok := bearer(r.Header)
	if !ok {
		return client{}, refuse(http.StatusUnauthorized, "unauthorized", "send a key of this broker: Authorization: Bearer KEY")
	}
	key := s.cfg.Keys.find(text, time.Now())
	if key == nil {
		return client{}, refuse(http.StatusUnauthorized, "unauthorized", "this broker does not know the key; it may be revoked or expired")
	}
	return client{name: "key " + key.Name, lease: key.Lease, key: key}, nil
}

func bearer(h http.Header) (text string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	text = strings.TrimSpace(text)
	return text, strings.EqualFold(scheme, "Bearer") && text != ""
}

// bound returns a context that ends with the key as well as with the request, or
// by end. It costs no goroutine: there may be thousands of streams.
func (c client) bound(parent context.Context) (ctx context.Context, end context.CancelCauseFunc, release func()) {
	ctx, end = context.WithCancelCause(parent)
	if c.key == nil {
		return ctx, end, func() { end(nil) }
	}
	forget := context.AfterFunc(c.key.valid, func() { end(errRevoked) })
	stopClock := func() bool { return false }
	if !c.key.Expires.IsZero() {
		stopClock = time.AfterFunc(time.Until(c.key.Expires), func() { end(errExpired) }).Stop
	}
	return ctx, end, func() { forget(); stopClock(); end(nil) }
}
