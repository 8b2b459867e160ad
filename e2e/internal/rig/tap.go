package rig

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// backendPath is where a sandbox has the backend.
const backendPath = "/backend-api/codex"

// A Tap stands between codexauth and a [Sandbox], under an issuer of its own,
// and keeps what the backend is sent. It can hold a stream between two events.
type Tap struct {
	Issuer string

	sandbox *Sandbox

	mu       sync.Mutex
	seen     []*Seen
	gate     *Gate
	httpOnly bool
}

// Seen is a request as it came to the backend.
type Seen struct {
	At                  time.Time
	Method, Path, Query string // the path below the backend's
	Header              http.Header
	Body                []byte
	Ended               <-chan struct{} // closed when the answer is over, or nobody waits for it

	mu     sync.Mutex
	status int
	events int
	cut    bool
}

// NewTap puts a tap before s, for as long as the test runs.
func NewTap(t testing.TB, s *Sandbox) *Tap {
	t.Helper()
	target, err := url.Parse(s.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	tap := &Tap{sandbox: s}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval:  -1,
		ModifyResponse: tap.answer,
		ErrorLog:       log.New(io.Discard, "", 0), // clients that go away are what this is for
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tap.serve(proxy, w, r) }))
	t.Cleanup(func() {
		tap.Hold().Open()
		server.CloseClientConnections()
		server.Close()
	})
	tap.Issuer = server.URL
	return tap
}

type seenKey struct{}

// serve notes a request of the backend and passes it on. That its answer was cut
// short shows in the context, as it does to the backend itself.
func (tap *Tap) serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, backendPath)
	if !ok {
		proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender has gone
	}
	ended := make(chan struct{})
	seen := &Seen{
		At: time.Now(), Method: r.Method, Path: path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body, Ended: ended,
	}
	tap.mu.Lock()
	tap.seen = append(tap.seen, seen)
	tap.mu.Unlock()
	defer close(ended)
	defer func() {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.cut = r.Context().Err() != nil
	}()
	if tap.turnsDown(r) {
		seen.mu.Lock()
		seen.status = http.StatusUpgradeRequired
		seen.mu.Unlock()
		http.Error(w, `{"error":{"message":"use HTTP","type":"invalid_request_error"}}`, http.StatusUpgradeRequired)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), seenKey{}, seen))
	r.Body = io.NopCloser(bytes.NewReader(body))
	proxy.ServeHTTP(w, r)
}

// answer makes documents and redirects name the tap, and streams wait at the gate.
func (tap *Tap) answer(resp *http.Response) error {
	other := func(text string) string {
		text = strings.ReplaceAll(text, tap.sandbox.Issuer, tap.Issuer)
		return strings.ReplaceAll(text, url.QueryEscape(tap.sandbox.Issuer), url.QueryEscape(tap.Issuer))
	}
	if location := resp.Header.Get("Location"); location != "" {
		resp.Header.Set("Location", other(location))
	}
	if strings.HasPrefix(resp.Request.URL.Path, "/.well-known/") {
		document, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		text := other(string(document))
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		resp.Header.Del("Content-Length")
		return nil
	}
	seen, ok := resp.Request.Context().Value(seenKey{}).(*Seen)
	if !ok {
		return nil
	}
	seen.mu.Lock()
	seen.status = resp.StatusCode
	seen.mu.Unlock()
	tap.mu.Lock()
	gate := tap.gate
	tap.mu.Unlock()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		resp.Body = &gatedBody{
			Closer: resp.Body, events: bufio.NewReader(resp.Body), seen: seen, gate: gate,
			gone: resp.Request.Context().Done(),
		}
	}
	return nil
}

// HTTPOnly makes the backend one that turns down every upgrade, with 426.
func (tap *Tap) HTTPOnly() {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.httpOnly = true
}

func (tap *Tap) turnsDown(r *http.Request) bool {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	return tap.httpOnly && r.Header.Get("Upgrade") != ""
}

// Seen returns the requests that came to the backend so far, in that order.
func (tap *Tap) Seen() []*Seen {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	return slices.Clone(tap.seen)
}

// Forget forgets the requests so far.
func (tap *Tap) Forget() {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.seen = nil
}

// Status is that of the answer; 0 if there is none yet.
func (s *Seen) Status() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Events is how many events of the answer were let through.
func (s *Seen) Events() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events
}

// Cut tells that whoever asked went away before the answer was over.
func (s *Seen) Cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

// A Gate lets the events of streams through one at a time.
type Gate struct {
	pass chan chan<- string
	open chan struct{}
	once sync.Once
}

// Hold makes the streams that begin from now on wait before each event.
func (tap *Tap) Hold() *Gate {
	gate := &Gate{pass: make(chan chan<- string), open: make(chan struct{})}
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if tap.gate != nil {
		tap.gate.Open()
	}
	tap.gate = gate
	return gate
}

// Next lets one event through, of whichever stream waits, and returns its name.
func (g *Gate) Next(t testing.TB) string {
	t.Helper()
	name := make(chan string, 1)
	select {
	case g.pass <- name:
		return <-name
	case <-time.After(program.Patience):
		t.Fatal("no stream waits for its next event")
		return ""
	}
}

// Open lets everything through from now on.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// wait returns false if the client goes before the gate opens for the event.
func (g *Gate) wait(event []byte, gone <-chan struct{}) bool {
	if g == nil {
		return true
	}
	select {
	case name := <-g.pass:
		name <- eventName(event)
		return true
	case <-g.open:
		return true
	case <-gone:
		return false
	}
}

// gatedBody reads a stream event by event.
type gatedBody struct {
	io.Closer
	events *bufio.Reader
	seen   *Seen
	gate   *Gate
	gone   <-chan struct{}
	left   []byte
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		event, err := readEvent(b.events)
		if err != nil {
			return 0, err
		}
		if !b.gate.wait(event, b.gone) {
			return 0, io.ErrUnexpectedEOF
		}
		b.seen.mu.Lock()
		b.seen.events++
		b.seen.mu.Unlock()
		b.left = event
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// readEvent reads up to the empty line that ends an event.
func readEvent(r *bufio.Reader) ([]byte, error) {
	var event []byte
	for {
		line, err := r.ReadBytes('\n')
		event = append(event, line...)
		if err != nil {
			return nil, err
		}
		if len(line) == 1 {
			return event, nil
		}
	}
}

func eventName(event []byte) string {
	for line := range strings.Lines(string(event)) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
