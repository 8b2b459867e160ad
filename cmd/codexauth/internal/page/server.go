package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"codexauth/cmd/codexauth/internal/watch"
	"codexauth/internal/address"
	"codexauth/internal/caller"
	"codexauth/internal/fill"
)

const (
	// sessionLife is how long a page may be looked at.
	sessionLife = 12 * time.Hour
	openPath    = "/open/"
	cookieName  = "codexauth_page"
)

var (
	// ErrUnopened: the link was not used in time.
	ErrUnopened = errors.New("the link was not opened in time")
	// ErrOver: the page was open for as long as one may be.
	ErrOver = errors.New("the page is closed: it was open for twelve hours, the longest that is allowed") // sessionLife; a call costs every start
	// ErrReplayed: somebody used the link a second time where the system does not
	// tell whose program that was. One of the two may have been a stranger's.
	ErrReplayed = errors.New("the page is closed: its link was used twice, and one of the two may not have been you")
)

// Server serves the page to the one browser that opens its link first.
type Server struct {
	// Look looks at the broker.
	Look func(context.Context) watch.View
	// LinkLife is how long the link works.
	LinkLife time.Duration
	// Opened is told when the link was used; nil tells nobody.
	Opened func()
	// Stranger is told, once, that a program of another user was turned away; nil
	// tells nobody.
	Stranger func(uid string)

	from func(*http.Request) (caller.Who, string)

	ticket  string // of the link; it works once
	session string // the cookie's value
	path    string // the page's directory, to which the cookie is bound

	mu     sync.Mutex
	opened bool
	expiry time.Time     // of the link, and of the session once that was used
	timer  *time.Timer   // ends it then
	closed error         // why it is over
	over   chan struct{} // closed with that
	warn   sync.Once
}

// prepare makes the secrets. A cookie for 127.0.0.1 goes to every port there, so that
// it is bound to a path that nobody else knows.
func (s *Server) prepare() {
	if s.from == nil {
		s.from = caller.Of
	}
	s.ticket, s.session, s.path = rand.Text(), rand.Text(), "/"+strings.ToLower(rand.Text())+"/"
	s.over = make(chan struct{})
	s.expiry = time.Now().Add(s.LinkLife)
	s.timer = time.AfterFunc(s.LinkLife, func() { s.left() })
}

// Serve serves on l, which it closes, until ctx ends, the link has expired unused,
// or the session has ended; ready is told the link first. The error says which; it
// is nil where ctx ended.
func (s *Server) Serve(ctx context.Context, l net.Listener, ready func(link string)) error {
	s.prepare()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: s, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ready("http://" + l.Addr().String() + openPath + s.ticket)
	defer s.timer.Stop()
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	case <-s.over:
	}
	// Who has just asked is told why it is over.
	bounded, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(bounded) != nil {
		server.Close()
	}
	<-failed
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// left is how long the link, or the session, is still good; when it is not, it is
// over.
func (s *Server) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := ErrUnopened
	if s.opened {
		err = ErrOver
	}
	left := time.Until(s.expiry)
	if left <= 0 {
		s.endLocked(err)
	}
	return left
}

func (s *Server) endLocked(err error) {
	if s.closed == nil {
		s.closed = err
		close(s.over)
	}
}

// ServeHTTP answers a browser.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	who, uid := s.from(r)
	ticket, isLink := strings.CutPrefix(r.URL.Path, openPath)
	switch {
	case !loopbackHost(r.Host):
		write(w, http.StatusMisdirectedRequest, says("Not here", "This server does not answer to that name."))
	case who == caller.Stranger:
		s.warn.Do(func() {
			if s.Stranger != nil {
				s.Stranger(uid)
			}
		})
		write(w, http.StatusForbidden, says("Not yours", "This page is for the user who opened it."))
	case r.Header["Origin"] != nil, r.Method != http.MethodGet:
		write(w, http.StatusForbidden, says("Not here", "This server has one page and nothing else."))
	case isLink:
		s.open(w, r, ticket, who)
	case r.URL.Path == s.path, r.URL.Path == s.path+"now":
		s.show(w, r)
	default:
		write(w, http.StatusNotFound, says("Nothing here", "Open the page with `codexauth serve open`."))
	}
}

// open takes the link's ticket for a cookie.
func (s *Server) open(w http.ResponseWriter, r *http.Request, ticket string, who caller.Who) {
	right := subtle.ConstantTimeCompare([]byte(ticket), []byte(s.ticket)) == 1
	const again = "Run `codexauth serve open` again for another one."
	switch {
	case !right:
		write(w, http.StatusForbidden, says("This link is not known", again))
		return
	case !visits(r): // a browser that loads ahead would use the link up
		write(w, http.StatusServiceUnavailable, says("Not yet", "Open this link in a window of its own."))
		return
	}
	first, err := s.use(who)
	if err != nil {
		write(w, http.StatusForbidden, says("This link can't be used", err.Error()+". "+again))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.session, Path: s.path, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Location", s.path)
	w.WriteHeader(http.StatusSeeOther)
	if first && s.Opened != nil {
		s.Opened()
	}
}

var errUsed = errors.New("it was used before")

// use uses the link up.
func (s *Server) use(who caller.Who) (first bool, err error) {
	if s.left() <= 0 {
		return false, ErrUnopened
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed != nil:
		return false, s.closed
	case s.opened && who == caller.Untold:
		s.endLocked(ErrReplayed)
		return false, s.closed
	case s.opened:
		return false, errUsed
	}
	s.opened, s.expiry = true, time.Now().Add(sessionLife)
	s.timer.Reset(sessionLife)
	return true, nil
}

// show shows the page, or what is new on it.
func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	fetched := r.URL.Path != s.path
	switch {
	case s.left() <= 0 || s.isOver():
		write(w, http.StatusForbidden, says("This page has ended", "Open a new one with `codexauth serve open`."))
	case !s.knows(r) && r.Header.Get("Sec-Fetch-Site") == "cross-site" && visits(r):
		// The link was followed from another site's page, such as a terminal in a
		// browser. The cookie is there, and comes with what this page itself asks.
		w.Header().Set("Refresh", "1")
		write(w, http.StatusOK, says("One moment", "The page loads by itself."))
	case !s.knows(r):
		write(w, http.StatusForbidden, says("This page is not yours", "Open one with `codexauth serve open`."))
	case fetched && !sameOrigin(r), !fetched && !visits(r):
		write(w, http.StatusForbidden, says("Not here", "Open this page in a window of its own."))
	case fetched:
		write(w, http.StatusOK, part(s.Look(r.Context())))
	default:
		write(w, http.StatusOK, whole(s.Look(r.Context())))
	}
}

func (s *Server) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed != nil || !s.opened
}

// knows reports whether the browser has the cookie.
func (s *Server) knows(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		if subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.session)) == 1 {
			return true
		}
	}
	return false
}

// visits reports whether r loads a page into a window of its own now: not into a
// frame, not as a part of another page, and not ahead of time. A program that is
// no browser does not say, and may.
func visits(r *http.Request) bool {
	dest, mode := r.Header.Get("Sec-Fetch-Dest"), r.Header.Get("Sec-Fetch-Mode")
	return (dest == "" || dest == "document") && (mode == "" || mode == "navigate") && r.Header.Get("Sec-Purpose") == "" && r.Header.Get("Purpose") == ""
}

// sameOrigin reports whether the page's own script asks.
func sameOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin"
}

// loopbackHost takes the names of this machine alone, whatever the port, which may
// be forwarded: a page elsewhere can have its own name lead here.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return address.Loopback(host)
}

func write(w http.ResponseWriter, status int, content fill.HTML) {
	w.WriteHeader(status)
	io.WriteString(w, string(content)) // a browser that has gone needs no answer
}
