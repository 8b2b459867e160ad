package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// ErrExposed: an address beyond this machine, and no TLS.
var ErrExposed = errors.New("an address beyond this machine takes TLS")

// ListenTCP listens on host:port; port 0 is any. Without TLS the host must be a
// loopback address or localhost, which is 127.0.0.1. Clients need a key.
func ListenTCP(addr string, config *tls.Config) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %q is not host:port: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if config == nil && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %s: %w: use 127.0.0.1 or [::1]", addr, ErrExposed)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	return secured(l, config), nil
}

// secured is l with TLS, if there is a config for it.
func secured(l net.Listener, config *tls.Config) net.Listener {
	if config == nil {
		return l
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return tls.NewListener(l, config)
}

// peer is who is on the other end of a Unix socket.
type peer struct {
	uid   int
	known bool   // the system tells
	own   bool   // this process's user, or nobody else could be there
	name  string // for the audit log
}

// peerConn is a connection whose peer was checked when it was accepted.
type peerConn struct {
	net.Conn
	peer peer
}

// peerOf is nil for a client that did not come by a Unix socket.
func peerOf(ctx context.Context) *peer {
	if l := linkOf(ctx); l != nil {
		return l.peer
	}
	return nil
}

// judge says whether a peer is let in.
func judge(uid int, known bool, me int, allowed []int) (peer, bool) {
	p := peer{uid: uid, known: known, own: !known || uid == me, name: "unix socket"}
	if known {
		p.name = fmt.Sprintf("uid %d", uid)
	}
	return p, p.own || slices.Contains(allowed, uid)
}
