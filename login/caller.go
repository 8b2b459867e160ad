package login

import (
	"fmt"
	"net/http"
	"time"

	"codexauth/internal/caller"
)

// The link that Browser.Open is given stands in a process list, where other users
// of this machine may read it. Who uses it first learns the state, and could bring
// an answer that signs the person in as somebody else. So once there is such a
// link, it matters who calls. Without one the state is known to nobody but the
// person, and whoever brings it is sent by them: a port that is forwarded by
// another user's program goes on working.

// linkSettle is how long a link must have been used by one alone before an answer
// counts where the system does not tell callers apart. A browser that starts has
// reached it by then.
const linkSettle = 5 * time.Second

// admit reports whether r may use the link or bring an answer, and answers it if
// not.
func (s *server) admit(w http.ResponseWriter, r *http.Request) (caller.Who, bool) {
	if !s.linked {
		return caller.Ours, true
	}
	who, uid := s.from(r)
	if who != caller.Stranger {
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
