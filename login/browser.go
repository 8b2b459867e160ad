// Package login gets a person's consent to a sign-in and returns what the
// authorization server gave for it: an authorization code and its PKCE verifier
// (RFC 6749 §4.1, RFC 7636, RFC 8252), or what a device code brought (RFC 8628).
// [Browser] is for a browser that can come back here or whose last address can
// be pasted, [Device] for a person who types a short code on any other screen.
// It stores nothing: that is the caller's finish.
package login

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
)

const defaultTimeout = 15 * time.Minute

// Browser is one sign-in in a browser on this machine, or in any browser with
// its final address pasted here. The zero Browser signs in with OpenAI, opens
// nothing and tells nobody; at least Open or Events has to be set for a person
// to learn where to go.
type Browser struct {
	Provider codexauth.Provider
	// HTTPClient is for the provider's metadata; nil is a default one.
	HTTPClient *http.Client
	// RedirectHost is the host of the redirect URI: "localhost", which "" means
	// too, or "127.0.0.1".
	RedirectHost string
	// Ports are tried in this order for the redirect URI; nil is the registered
	// ones. 0 is one of the kernel's choice, which only some servers accept
	// (RFC 8252 §7.3).
	Ports []int
	// Workspace restricts the sign-in to these workspace ids, separated by
	// commas (allowed_workspace_id).
	Workspace string
	// Open starts a browser, in its own goroutine; nil starts none. It is
	// given a link of this machine that leads to the authorization server once,
	// so that the process list shows neither state nor challenge. Run does not
	// return before Open does. Its failure is reported and ends nothing.
	Open func(url string) error
	// Paste is where a person may paste the address that the browser ended at;
	// nil is nowhere. It is read while Run waits, at most 20 texts. A Read that
	// blocks may outlive Run by itself, and what it returns then is lost.
	Paste io.Reader
	// Events receives what the person should know, one call at a time, and never
	// after Run has returned. It must not block. nil tells nobody.
	Events func(Event)
	// Timeout is how long to wait for the person; 0 is 15 minutes. It does not
	// cover finish.
	Timeout time.Duration
}

// Event is something to tell the person while a sign-in waits: [Ready],
// [Opened] or [Rejected] from a Browser, [DeviceCode], [Waiting] or [Slowed]
// from a Device.
type Event interface{ event() }

// Ready says that answers are listened for. It comes first.
type Ready struct {
	URL         string // the authorization server's page, to open in any browser
	RedirectURI string // where that browser ends; a pasted address begins with it
	Port        int    // of the redirect URI, on the loopback addresses
}

// Opened says how Browser.Open went; Err is nil if a browser was started.
type Opened struct{ Err error }

// Rejected says that an answer was not accepted and that the sign-in goes on
// waiting. Err is in our words and holds nothing of the answer. Of requests to
// the redirect URI, each reason is reported once.
type Rejected struct {
	Pasted bool
	Err    error
}

func (Ready) event()    {}
func (Opened) event()   {}
func (Rejected) event() {}

// Run waits for the person's answer and calls finish with the authorization
// code; the browser then shows the outcome. It returns what finish returns, or
// an error that matches [ErrDenied], [ErrTimeout], [ErrPortsTaken], an
// [*AuthorizationError], or ctx's. It calls finish at most once, with ctx, and
// leaves nothing behind but what is said at Paste.
func (b *Browser) Run(ctx context.Context, finish func(ctx context.Context, g codexauth.Grant) error) error {
	provider, err := b.Provider.Complete()
	if err != nil {
		return err
	}
	endpoints, err := oauth.Locate(ctx, b.HTTPClient, provider.Issuer)
	if err != nil {
		return public(err)
	}
	host, err := b.redirectHost()
	if err != nil {
		return err
	}
	ports := b.Ports
	if ports == nil {
		ports = oauth.CallbackPorts()
	}
	listeners, port, err := listen(ctx, systemListen, ports)
	if err != nil {
		return err
	}
	attempt := Attempt{
		RedirectURI: fmt.Sprintf("http://%s:%d%s", host, port, oauth.CallbackPath),
		State:       oauth.NewState(),
		Issuer:      endpoints.Issuer,
		RequireIss:  endpoints.IssParameter,
	}
	pkce := oauth.NewPKCE()
	url, err := b.authorizeURL(provider, endpoints, attempt, pkce)
	if err != nil {
		closeAll(listeners)
		return fmt.Errorf("the authorization endpoint: %w", err)
	}
	events := &eventSink{to: b.Events}
	srv := newServer(attempt, url, port, events)
	srv.linked = b.Open != nil
	srv.serve(listeners)
	events.emit(Ready{URL: url, RedirectURI: attempt.RedirectURI, Port: port})

	a, opening, err := b.await(ctx, srv, attempt, events)
	if err == nil {
		err = finish(ctx, codexauth.Grant{Code: a.code, RedirectURI: attempt.RedirectURI, Verifier: pkce.Verifier})
	}
	srv.settle(ctx, err, a.inBrowser)
	srv.close()
	<-opening
	return err
}

func (b *Browser) redirectHost() (string, error) {
	switch host := cmp.Or(b.RedirectHost, "localhost"); host {
	case "localhost", "127.0.0.1":
		return host, nil
	default:
		return "", fmt.Errorf("redirect host %q: only localhost and 127.0.0.1 are possible", host)
	}
}

func (b *Browser) authorizeURL(p codexauth.Provider, e oauth.Endpoints, a Attempt, pkce oauth.PKCE) (string, error) {
	extra := maps.Clone(oauth.AuthorizeExtras())
	if b.Workspace != "" {
		extra["allowed_workspace_id"] = strings.ReplaceAll(b.Workspace, " ", "")
	}
	return oauth.AuthorizeRequest{
		Endpoint:    e.Authorize,
		ClientID:    p.ClientID,
		RedirectURI: a.RedirectURI,
		Scopes:      p.Scopes,
		State:       a.State,
		Challenge:   pkce.Challenge,
		Extra:       extra,
	}.URL()
}

// await opens the browser and waits for the first answer that counts, from the
// redirect URI or pasted. opening is closed when Open has returned.
func (b *Browser) await(ctx context.Context, srv *server, attempt Attempt, events *eventSink) (a answer, opening <-chan struct{}, err error) {
	opened, opening := b.open(srv.startURL())
	stop := make(chan struct{})
	defer close(stop)
	var pasted pasteBuffer
	var settled <-chan time.Time
	lines := readLines(stop, b.Paste)
	timeout := cmp.Or(b.Timeout, defaultTimeout)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return answer{}, opening, fmt.Errorf("the sign-in was cancelled: %w", context.Cause(ctx))
		case <-timer.C:
			return answer{}, opening, fmt.Errorf("%w within %v", ErrTimeout, timeout)
		case err := <-opened:
			events.emit(Opened{err})
		case a := <-srv.answers:
			return a, opening, a.err
		case line, ok := <-lines:
			if ok {
				pasted.add(line)
				settled = time.After(pasteSettle)
				continue
			}
			lines, settled = nil, alreadyPassed()
		case <-settled:
			settled = nil
			for _, text := range pasted.take() {
				code, err := attempt.ParsePasted(text)
				if srv.offer(code, err, false) {
					continue // it arrives as an answer, or another one was first
				}
				events.emit(Rejected{Pasted: true, Err: err})
			}
			if pasted.exhausted() {
				lines = nil
			}
		}
	}
}

// open runs Open; opened gets its result if there is an Open.
func (b *Browser) open(url string) (opened <-chan error, done chan struct{}) {
	result, done := make(chan error, 1), make(chan struct{})
	if b.Open == nil {
		close(done)
		return nil, done
	}
	go func() {
		defer close(done)
		result <- b.Open(url)
	}()
	return result, done
}

// eventSink hands events on one at a time.
type eventSink struct {
	mu   sync.Mutex
	to   func(Event)
	told map[string]bool // reasons of rejected requests
}

func (s *eventSink) emit(e Event) {
	if s.to == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to(e)
}

// rejectedRequest tells each reason once: any page and any program on this
// machine can send requests, as many as it likes.
func (s *eventSink) rejectedRequest(err error) {
	s.mu.Lock()
	known := s.told[err.Error()]
	if s.told == nil {
		s.told = map[string]bool{}
	}
	s.told[err.Error()] = true
	s.mu.Unlock()
	if !known {
		s.emit(Rejected{Err: err})
	}
}
