package broker

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"codexauth/internal/address"
)

// client is who asks.
type client struct {
	name  string   // for the audit log
	own   bool     // this process's user, on a Unix socket
	key   *heldKey // nil on a Unix socket
	stats *stats
}

// checkSite refuses web pages. A page elsewhere may reach us by a name of its
// own (DNS rebinding), which the Host shows, or by ours, which its Origin shows.
// No answer ever has a CORS header. Probes come by an address, which is nobody's name.
func (s *Server) checkSite(r *http.Request, probe bool) *refusal {
	if _, ok := r.Header["Origin"]; ok {
		return refuse(http.StatusForbidden, "origin_refused", "this server is not for web pages: send no Origin header")
	}
	if peerOf(r.Context()) != nil {
		return nil // a name never led anybody to a Unix socket
	}
	if !s.hostAllowed(r.Host) && !(probe && isAddress(r.Host)) {
		return refuse(http.StatusMisdirectedRequest, "wrong_host", "this server does not answer to that Host")
	}
	return nil
}

// hostAllowed takes loopback names, whatever the port (it may be forwarded), and
// the configured ones.
func (s *Server) hostAllowed(hostport string) bool {
	host := hostIn(hostport)
	if address.Loopback(host) {
		return true
	}
	return host != "" && slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func isAddress(hostport string) bool {
	_, err := netip.ParseAddr(hostIn(hostport))
	return err == nil
}

// hostIn is the host of a Host header.
func hostIn(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

// admit says who asks, or why nobody does.
func (s *Server) admit(r *http.Request) (client, *refusal) {
	if p := peerOf(r.Context()); p != nil {
		return client{name: p.name, own: p.own, stats: s.peers.of(p.name)}, nil
	}
	text, ok := bearer(r.Header)
	if !ok {
		return client{}, refuse(http.StatusUnauthorized, "unauthorized", "send a key of this broker: Authorization: Bearer KEY")
	}
	key := s.cfg.Keys.find(text, time.Now())
	if key == nil && s.cfg.Keys.unread.Load() {
		return client{}, &refusal{status: http.StatusServiceUnavailable, code: "keys_unavailable", message: "the broker's keys can't be read at the moment; its log says why", retry: time.Second}
	}
	if key == nil {
		return client{}, refuse(http.StatusUnauthorized, "unauthorized", "this broker does not know the key; it may be revoked or expired")
	}
	return client{name: key.who, key: key, stats: key.stats}, nil
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
