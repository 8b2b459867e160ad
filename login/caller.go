package login

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// The link that Browser.Open is given stands in a process list, where other users
// of this machine may read it. Who uses it first learns the state, and could bring
// an answer that signs the person in as somebody else. So once there is such a
// link, it matters who calls. Without one the state is known to nobody but the
// person, and whoever brings it is sent by them: a port that is forwarded by
// another user's program goes on working.

// caller is whose program sent a request.
type caller int

const (
	untold   caller = iota // the system does not say
	ours                   // this user's, the one's who became this user, or root's
	stranger               // anybody else's, or of somebody who is gone already
)

// linkSettle is how long a link must have been used by one alone before an answer
// counts where the system does not tell callers apart. A browser that starts has
// reached it by then.
const linkSettle = 5 * time.Second

// from says who sent r, and by which user id; "" if that is not known.
func from(r *http.Request) (caller, string) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return untold, ""
	}
	here, err := netip.ParseAddrPort(local.String())
	there, err2 := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || err2 != nil {
		return untold, ""
	}
	return callerAt(there, here)
}

// admit reports whether r may use the link or bring an answer, and answers it if
// not.
func (s *server) admit(w http.ResponseWriter, r *http.Request) (caller, bool) {
	if !s.linked {
		return ours, true
	}
	who, uid := s.from(r)
	if who != stranger {
		return who, true
	}
	err := errStranger
	if uid != "" {
		err = rejection(fmt.Sprintf("a program of another user of this machine (user id %s) took part in the sign-in and was turned away", uid))
	}
	s.events.rejectedRequest(err)
	s.pages.write(w, http.StatusForbidden, strangerPage())
	return who, false
}

// settled waits until an answer that came by an unknown caller may count: until
// then a second user of the link ends the sign-in. It reports false if it is over.
func (s *server) settled() bool {
	used := s.started.Load()
	if used == 0 {
		return true // whoever knows the state was shown it in the terminal
	}
	timer := time.NewTimer(time.Until(time.Unix(0, used).Add(linkSettle)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}
