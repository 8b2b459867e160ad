package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"codexauth/internal/caller"
	"codexauth/internal/oauth"
)

const (
	startPath = "/auth/start/" // + one-time secret: leads to the authorization server
	donePath  = "/auth/done"   // the outcome, under an address without code and state

	headerTimeout = 5 * time.Second // for connections that never send a request
	// maxHeader is the most of a request's head: every server on localhost leaves its
	// cookies, and a browser keeps 180 of 4 KiB for one host.
	maxHeader     = 1 << 20
	outcomeWait   = 3 * time.Second // how long a page waits before it says that we are at work
	outcomeLinger = time.Second     // how long the browser has to fetch the outcome
	refreshLinger = 3 * time.Second // the same where it was told to ask again in a second
	cancelLinger  = 200 * time.Millisecond
	loadLinger    = 250 * time.Millisecond // and then to receive it
)

// server answers the browser on the loopback addresses during one sign-in.
type server struct {
	attempt   Attempt
	authorize string // the URL of the authorization request
	port      int
	startKey  string       // of the one-time link
	started   atomic.Int64 // when it was used, in Unix nanoseconds; 0 before
	linked    bool         // somebody was given it
	from      func(*http.Request) (caller.Who, string)
	events    *eventSink
	pages     pages

	answered atomic.Bool
	waiting  atomic.Bool // a page has promised the outcome
	answers  chan answer // gets the first answer that counts

	outcome chan struct{} // closed once result is set
	result  error
	shown   chan struct{} // closed once a page with the outcome was sent
	once    sync.Once     // closes shown

	closing chan struct{} // closed by close

	http  *http.Server
	loops sync.WaitGroup // accept loops
	conns sync.WaitGroup // connections; waited for when loops are over
}

// answer is what ends the waiting: a code, or an AuthorizationError.
type answer struct {
	code      string
	err       error
	inBrowser bool // the browser waits for a page, which it does not after a paste
}

func newServer(attempt Attempt, authorize string, port int, events *eventSink) *server {
	s := &server{
		attempt: attempt, authorize: authorize, port: port, startKey: rand.Text(), events: events,
		pages: newPages(), answers: make(chan answer, 1), outcome: make(chan struct{}), shown: make(chan struct{}),
		closing: make(chan struct{}), from: caller.Of,
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		ReadHeaderTimeout: headerTimeout, // no ReadTimeout: it would end done's waiting
		IdleTimeout:       headerTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.countConn,
		ErrorLog:          log.New(io.Discard, "", 0), // strangers' mistakes, and perhaps their bytes
	}
	s.http.SetKeepAlivesEnabled(false) // so that the end cuts off no page
	return s
}

func (s *server) serve(listeners []net.Listener) {
	for _, l := range listeners {
		s.loops.Go(func() { s.http.Serve(l) }) // always ErrServerClosed, from close
	}
}

// countConn makes close able to wait for every connection's goroutine.
func (s *server) countConn(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed:
		s.conns.Done()
	}
}

// settle publishes the outcome of the sign-in and gives the browser a moment to
// show it.
func (s *server) settle(ctx context.Context, result error, inBrowser bool) {
	s.result = result
	close(s.outcome)
	if !inBrowser {
		return
	}
	patience := outcomeLinger
	switch {
	case ctx.Err() != nil:
		patience = cancelLinger
	case s.waiting.Load():
		patience = refreshLinger
	}
	select {
	case <-s.shown:
		time.Sleep(loadLinger)
	case <-time.After(patience):
	}
}

// close ends every connection and returns when no goroutine of the server is
// left.
func (s *server) close() {
	close(s.closing)
	s.http.Close()
	s.loops.Wait()
	s.conns.Wait()
}

func (s *server) startURL() string {
	origin := strings.TrimSuffix(s.attempt.RedirectURI, oauth.CallbackPath)
	return origin + startPath + s.startKey
}

// offer makes a parsed answer the one that counts, unless another one was
// first. It reports whether it was an answer to this attempt at all.
func (s *server) offer(code string, err error, inBrowser bool) bool {
	if !isAnswer(err) {
		return false
	}
	if s.answered.CompareAndSwap(false, true) {
		s.answers <- answer{code, err, inBrowser}
	}
	return true
}

// isAnswer reports whether what ParseCallback returned is an answer to this attempt.
func isAnswer(err error) bool {
	var refused *AuthorizationError
	return err == nil || errors.As(err, &refused)
}

// end ends the sign-in with err, unless an answer was first.
func (s *server) end(err error) {
	if s.answered.CompareAndSwap(false, true) {
		s.answers <- answer{err: err}
	}
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.pages.setHeaders(w.Header())
	if !s.hostAllowed(r.Host) {
		// A page elsewhere that reaches us by a name of its own (DNS rebinding).
		http.Error(w, "not a name of this sign-in", http.StatusMisdirectedRequest)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
		return
	}
	switch path := r.URL.EscapedPath(); {
	case path == oauth.CallbackPath:
		s.callback(w, r)
	case path == donePath && s.answered.Load():
		s.done(w, r)
	case strings.HasPrefix(path, startPath):
		s.start(w, r, strings.TrimPrefix(path, startPath))
	case path == "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "there is nothing here", http.StatusNotFound)
	}
}

func (s *server) hostAllowed(host string) bool {
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if strings.EqualFold(host, fmt.Sprintf("%s:%d", name, s.port)) {
			return true
		}
	}
	return false
}

// start sends the browser that Open started on to the authorization server,
// once: the link stood in the process list, where others may read it.
func (s *server) start(w http.ResponseWriter, r *http.Request, key string) {
	if subtle.ConstantTimeCompare([]byte(key), []byte(s.startKey)) != 1 {
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	who, ok := s.admit(w, r)
	if !ok {
		return
	}
	first := s.started.CompareAndSwap(0, time.Now().UnixNano())
	switch {
	case !first && who == caller.Untold && s.linked:
		// One of the two may be somebody else, who has learned the state by it.
		s.events.rejectedRequest(errLinkUsed)
		s.end(errLinkTwice)
		s.pages.write(w, http.StatusGone, linkUsedPage())
	case s.answered.Load():
		redirect(w, donePath)
	case !first:
		s.events.rejectedRequest(errLinkUsed)
		s.pages.write(w, http.StatusGone, linkUsedPage())
	default:
		redirect(w, s.authorize)
	}
}

// callback is the redirect URI. Whatever comes with this attempt's state sees
// its outcome: a reload is no second answer.
func (s *server) callback(w http.ResponseWriter, r *http.Request) {
	code, err := s.attempt.ParseCallback(r.URL.RawQuery)
	if isAnswer(err) {
		who, ok := s.admit(w, r)
		if !ok || who == caller.Untold && !s.settled() {
			return
		}
	}
	if s.offer(code, err, true) {
		redirect(w, donePath)
		return
	}
	s.events.rejectedRequest(err)
	s.pages.write(w, http.StatusBadRequest, rejectedPage(err, s.answered.Load()))
}

// done waits for the outcome and shows it, or says after a while that it is
// still to come and asks the browser to ask again.
func (s *server) done(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.outcome:
	case <-r.Context().Done():
		return
	case <-time.After(outcomeWait):
		s.waiting.Store(true)
		s.pages.write(w, http.StatusOK, waitPage())
		return
	}
	s.pages.write(w, http.StatusOK, outcomePage(s.result))
	http.NewResponseController(w).Flush() // an error only means that the reader has gone
	s.once.Do(func() { close(s.shown) })
}

// redirect is a 303 without the body that http.Redirect writes: that one would
// repeat the address.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
