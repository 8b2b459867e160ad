package login

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
)

// A flow is a sign-in that has begun: its Ready event has come.
type flow struct {
	t      *testing.T
	ready  Ready
	state  string
	events chan Event // those after Ready
	result chan error
}

// begin starts b on a port of the kernel's choice, against an issuer that
// serves no metadata unless b has a provider.
func begin(t *testing.T, ctx context.Context, b *Browser, finish func(context.Context, codexauth.Grant) error) *flow {
	t.Helper()
	if b.Provider.Issuer == "" {
		b.Provider.Issuer = issuer(t, http.NotFound)
	}
	if b.Ports == nil {
		b.Ports = []int{0}
	}
	f := &flow{t: t, events: make(chan Event, 100), result: make(chan error, 1)}
	b.Events = func(e Event) { f.events <- e }
	go func() { f.result <- b.Run(ctx, finish) }()
	select {
	case e := <-f.events:
		f.ready = e.(Ready)
	case err := <-f.result:
		t.Fatalf("the sign-in ended before it was ready: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the sign-in does not get ready")
	}
	u, err := url.Parse(f.ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.state = u.Query().Get("state")
	return f
}

func issuer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func (f *flow) callback(query string) string { return f.ready.RedirectURI + "?" + query }

func (f *flow) right(code string) string {
	return f.callback("code=" + code + "&state=" + f.state)
}

func (f *flow) wait() error {
	f.t.Helper()
	select {
	case err := <-f.result:
		return err
	case <-time.After(30 * time.Second):
		f.t.Fatal("the sign-in does not end")
		return nil
	}
}

// rejected waits for the next Rejected event.
func (f *flow) rejected() Rejected {
	f.t.Helper()
	for {
		select {
		case e := <-f.events:
			if r, ok := e.(Rejected); ok {
				return r
			}
		case <-time.After(30 * time.Second):
			f.t.Fatal("no Rejected event")
		}
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

// get sends a GET and follows no redirect; a host other than "" is sent as Host.
func get(t *testing.T, rawURL, host string) reply { return send(t, http.MethodGet, rawURL, host) }

func send(t *testing.T, method, rawURL, host string) reply {
	t.Helper()
	r, err := http.NewRequest(method, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	return do(t, r)
}

func do(t *testing.T, r *http.Request) reply {
	t.Helper()
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// browse follows redirects, as a browser does.
func browse(t *testing.T, rawURL string) reply {
	t.Helper()
	r := get(t, rawURL, "")
	for n := 0; r.status == http.StatusSeeOther; n++ {
		next, err := url.Parse(rawURL)
		if err != nil || n > 5 {
			t.Fatalf("redirect %d to %q: %v", n, r.header.Get("Location"), err)
		}
		if next, err = next.Parse(r.header.Get("Location")); err != nil {
			t.Fatal(err)
		}
		rawURL = next.String()
		r = get(t, rawURL, "")
	}
	return r
}

func mustContain(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func mustNotContain(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("%q is in:\n%s", secret, text)
		}
	}
}

// noLeak checks at the end of the test that no goroutine is left.
func noLeak(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		var now int
		for range 500 {
			if now = runtime.NumGoroutine(); now <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
	})
}

// testServer is a server without a listener: its handler alone.
func testServer(emit func(Event)) *server {
	a := testAttempt()
	return newServer(a, "https://auth.example/authorize?state="+a.State, 1455, &eventSink{to: emit})
}

func testAttempt() Attempt {
	return Attempt{
		RedirectURI: "http://localhost:1455" + oauth.CallbackPath,
		State:       "right-state-0123456789-right-state-0123456",
		Issuer:      "https://auth.example",
	}
}

func (s *server) ask(target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost:1455"
	w := httptest.NewRecorder()
	s.handle(w, r)
	return w
}

func accept(context.Context, codexauth.Grant) error { return nil }
