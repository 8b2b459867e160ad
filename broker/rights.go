package broker

import (
	"net/http"
	"slices"
)

// right is what a path takes.
type right int

const (
	rightProxy right = iota // who is let in has it, as far as the paths of the key reach
	rightLease
	rightStatus
	rightMetrics
)

// may says whether a client has a right. On a Unix socket only this process's user
// gets tokens and learns whose login it is.
func (c client) may(r right) bool {
	k := c.key
	switch {
	case r == rightProxy:
		return true
	case k == nil:
		return c.own || r == rightMetrics
	case r == rightLease:
		return k.Lease
	case r == rightStatus:
		return k.Lease || k.Status || slices.Contains(k.Paths, "/status")
	}
	return k.Metrics || slices.Contains(k.Paths, "/metrics")
}

// loginsFor are those whose status a client may ask for: all are this user's, and a
// key is for one.
func (s *Server) loginsFor(c client) []*login {
	switch l := s.loginOf(c.key); {
	case !c.may(rightStatus), l == nil:
		return nil
	case c.key != nil:
		return []*login{l}
	}
	return s.logins
}

// refusal is what who lacks a right is told.
func (r right) refusal() *refusal {
	switch r {
	case rightLease:
		return refuse(http.StatusForbidden, "lease_refused", "this key is for the proxy only; it gets no access token")
	case rightStatus: // the code of the days when only those who lease could ask
		return refuse(http.StatusForbidden, "lease_refused", "this key may not ask for the status of the login")
	}
	return refuse(http.StatusForbidden, "path_refused", "this key may not read the metrics")
}
