package broker

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"codexauth"
)

const (
	// readyEvery bounds how often strangers have the store asked.
	readyEvery = time.Second
	// readyPatience is less than the second that probes wait by default.
	readyPatience = 800 * time.Millisecond
)

// health is whether requests with a login would be served now.
type health struct {
	code    string // for programs; "" is ready
	message string // for people: what happened and what to do
	retry   time.Duration
}

var (
	healthSignedOut = health{code: "signed_out", message: "the broker is not signed in; run `codexauth login` where it runs"}
	healthMoved     = health{code: "signed_out", message: movedMessage}
	healthRefused   = health{code: "refused", message: "the login is no longer accepted; run `codexauth login` where the broker runs"}
	healthAway      = health{code: "store_away", message: "the login's store can't be reached; bring it back, and the broker goes on by itself"}
	healthUnusable  = health{code: "unusable", message: "the stored login can't be used; `codexauth doctor` where the broker runs says why"}
	healthPending   = health{code: "refreshing", message: "the token has expired, and a refresh is on its way"}
	healthBackoff   = health{code: "backing_off", message: "the token has expired, and the last refresh failed; it is tried again"}
)

// movedMessage tells no stranger the name of a profile.
const movedMessage = "the broker's login was moved to another profile or store; serve it from there, or move it back"

// readiness remembers a look at a login for a moment.
type readiness struct {
	mu   sync.Mutex
	at   time.Time
	last health
}

// look says how a login is doing, as of at most a second ago. One looks, and the
// others wait for what it finds.
func (r *readiness) look(check func() health) health {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) >= readyEvery {
		r.last = check()
		r.at = time.Now()
	}
	return r.last
}

// health refreshes nothing.
func (l *login) health() health {
	return l.ready.look(func() health {
		ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
		defer cancel()
		return l.check(ctx)
	})
}

func (l *login) check(ctx context.Context) health {
	s, err := l.Manager.Status(ctx)
	switch {
	case err != nil && l.atHand(): // the store's absence is felt when that ends
		return health{}
	case errors.Is(err, codexauth.ErrOtherLogin), errors.Is(err, codexauth.ErrDamaged), errors.Is(err, codexauth.ErrNewerVersion),
		errors.Is(err, codexauth.ErrSealed), errors.Is(err, codexauth.ErrWrongKey):
		return healthUnusable
	case err != nil, s.State == codexauth.StateSignedOut && s.Rescued != "":
		return healthAway
	case s.MovedTo != "": // nobody's business where to
		return healthMoved
	case s.State == codexauth.StateSignedOut:
		return healthSignedOut
	case s.State == codexauth.StateRefused:
		return healthRefused
	case s.State == codexauth.StateExpired && time.Until(s.RetryAt) > 0:
		h := healthBackoff
		h.retry = time.Until(s.RetryAt)
		return h
	case s.State == codexauth.StateExpired && s.Pending != nil:
		return healthPending
	}
	return health{}
}

// atHand reports whether there is a token in memory that is good now. Nobody waits.
func (l *login) atHand() bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := l.Manager.Token(ctx)
	return err == nil
}

// health is that of the whole: a broker is of use as long as one login works. Where
// none does it is the first one's.
func (s *Server) health() health {
	return s.ready.look(func() health {
		ended := time.Now().Add(readyPatience)
		first := s.logins[0].health()
		for i := 1; i < len(s.logins) && first.code != "" && time.Now().Before(ended); i++ {
			if s.logins[i].health().code == "" {
				return health{}
			}
		}
		return first
	})
}

// probes are the paths that are answered without a key.
func (s *Server) probe(path string) func(*call, *http.Request) {
	switch path {
	case "/healthz":
		return onlyGet(func(c *call, _ *http.Request) { writeJSON(c, http.StatusOK, map[string]string{"status": "ok"}) })
	case "/readyz":
		return onlyGet(s.handleReady)
	}
	return nil
}

func onlyGet(serve func(*call, *http.Request)) func(*call, *http.Request) {
	return func(c *call, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			c.Header().Set("Allow", "GET, HEAD")
			refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use GET").write(c, r)
			return
		}
		serve(c, r)
	}
}

// readyBody is the answer of /readyz.
type readyBody struct {
	Status  string       `json:"status"` // ready, or why not
	Message string       `json:"message,omitempty"`
	Logins  []readyLogin `json:"logins,omitempty"` // for those who may know
}

type readyLogin struct {
	Login   string `json:"login"`
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

// handleReady tells everybody whether requests would be served, and nobody whose
// login it is. Which login has what is for those who may ask for its status.
func (s *Server) handleReady(c *call, r *http.Request) {
	h := s.health()
	var logins []readyLogin
	if who, f := s.admit(r); f == nil && who.may(rightStatus) {
		c.client, c.stats = who, who.stats
		logins = readyLogins(s.loginsFor(who))
	}
	writeReady(c, h, logins)
}

func writeReady(w http.ResponseWriter, h health, logins []readyLogin) {
	status := http.StatusOK
	if h.code != "" {
		status = http.StatusServiceUnavailable
		if h.retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(h.retry.Seconds()))))
		}
	}
	writeJSON(w, status, readyBody{Status: h.word(), Message: h.message, Logins: logins})
}

func (h health) word() string {
	if h.code == "" {
		return "ready"
	}
	return h.code
}

// readyLogins looks at each of logins.
func readyLogins(logins []*login) []readyLogin {
	list := make([]readyLogin, len(logins))
	together(logins, func(i int, l *login) {
		h := l.health()
		list[i] = readyLogin{l.Name, h.word(), h.message}
	})
	return list
}
