// Package caller says whose program is on the other end of a loopback connection.
// A link to a port of this machine may be read by other users, in a process list;
// their programs can connect, too.
package caller

import (
	"net"
	"net/http"
	"net/netip"
)

// Who is whose program sent a request.
type Who int

// Whose program it is.
const (
	Untold   Who = iota // the system does not say
	Ours                // this user's, the one's who became this user, or root's
	Stranger            // anybody else's, or of somebody who is gone already
)

// Of says who sent r, and by which user id; "" if that is not known.
func Of(r *http.Request) (Who, string) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return Untold, ""
	}
	here, err := netip.ParseAddrPort(local.String())
	there, err2 := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || err2 != nil {
		return Untold, ""
	}
	return at(there, here)
}
