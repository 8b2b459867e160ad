package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	mustContain(t, policy, "default-src 'none'", "style-src 'sha256-", "frame-ancestors 'none'")
	mustNotContain(t, policy, "unsafe", "script-src", "http")
}

func TestOnlyTheCallbackIsAnswered(t *testing.T) {
	s := testServer(nil)
	good := "/auth/callback?code=abc&state=" + s.attempt.State
	for name, c := range map[string]struct {
		method, target, host string
		status               int
	}{
		"HEAD":             {"HEAD", good, "localhost:1455", 405},
		"POST":             {"POST", good, "localhost:1455", 405},
		"OPTIONS":          {"OPTIONS", good, "localhost:1455", 405},
		"host elsewhere":   {"GET", good, "evil.example:1455", 421},
		"host alone":       {"GET", good, "localhost", 421},
		"other port":       {"GET", good, "localhost:1457", 421},
		"suffixed host":    {"GET", good, "localhost:1455.evil.example", 421},
		"wildcard host":    {"GET", good, "0.0.0.0:1455", 421},
		"no host":          {"GET", good, "", 421},
		"root":             {"GET", "/", "localhost:1455", 404},
		"slash at the end": {"GET", strings.Replace(good, "?", "/?", 1), "localhost:1455", 404},
		"other case":       {"GET", strings.Replace(good, "callback", "Callback", 1), "localhost:1455", 404},
		"escaped":          {"GET", strings.Replace(good, "callback", "%63allback", 1), "localhost:1455", 404},
		"dots":             {"GET", "/x/.." + good, "localhost:1455", 404},
		"done before":      {"GET", donePath, "localhost:1455", 404},
		"wrong start link": {"GET", startPath + "x", "localhost:1455", 404},
		"favicon":          {"GET", "/favicon.ico", "localhost:1455", 204},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, nil)
			r.Host = c.host
			w := httptest.NewRecorder()
			s.handle(w, r)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			checkHeaders(t, w.Header())
			mustNotContain(t, w.Body.String(), "abc", s.attempt.State)
		})
	}
	if s.answered.Load() {
		t.Error("one of them counted")
	}
	for _, host := range []string{"localhost:1455", "LOCALHOST:1455", "127.0.0.1:1455", "[::1]:1455"} {
		s := testServer(nil)
		r := httptest.NewRequest("GET", good, nil)
		r.Host = host
		if s.handle(httptest.NewRecorder(), r); !s.answered.Load() {
			t.Errorf("the callback does not count with host %s", host)
		}
	}
}

func TestAnswersThatDoNotCount(t *testing.T) {
	var told []string
	s := testServer(func(e Event) { told = append(told, e.(Rejected).Err.Error()) })
	s.attempt.RequireIss = true
	right := "&state=" + s.attempt.State
	for _, query := range []string{
		"", "code=planted", "code=planted&state=planted", "error=planted&error_description=planted&state=planted", "state=planted&iss=planted",
		"code=planted&code=planted" + right, "code=planted" + right + right, "iss=planted&code=planted" + right, "code=planted" + right,
		"iss=https://auth.example" + right, "code=planted&error=planted&iss=https://auth.example" + right, "code=%" + right,
	} {
		for range 3 {
			w := s.ask("/auth/callback?" + query)
			if w.Code != http.StatusBadRequest {
				t.Errorf("%q: status %d", query, w.Code)
			}
			checkHeaders(t, w.Header())
			mustContain(t, w.Body.String(), "<h1>This answer was not accepted</h1>", stillOpen)
			mustNotContain(t, w.Body.String(), "planted", s.attempt.State)
		}
	}
	if s.answered.Load() {
		t.Fatal("one of them counted")
	}
	want := []string{string(errOtherAttempt), string(errRepeated), string(errOtherIssuer), string(errNoIssuer), string(errNoCode), string(errBothKinds), string(errUnreadable)}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("told:\n%s\nwant each reason once:\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	if w := s.ask("/auth/callback?code=abc&iss=https%3A%2F%2Fauth.example" + right); w.Code != http.StatusSeeOther {
		t.Errorf("the right answer gets status %d", w.Code)
	}
}

func TestFirstAnswerWins(t *testing.T) {
	s := testServer(nil)
	for _, query := range []string{"code=first", "code=first", "code=second", "error=access_denied"} {
		w := s.ask("/auth/callback?" + query + "&state=" + s.attempt.State)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != donePath || w.Body.Len() != 0 {
			t.Errorf("%s: status %d to %q, body %q", query, w.Code, w.Header().Get("Location"), w.Body)
		}
		checkHeaders(t, w.Header())
	}
	if a := <-s.answers; a.code != "first" || a.err != nil || !a.inBrowser {
		t.Errorf("got %+v", a)
	}
	select {
	case a := <-s.answers:
		t.Errorf("a second answer: %+v", a)
	default:
	}
	w := s.ask("/auth/callback?code=x&state=planted")
	if mustNotContain(t, w.Body.String(), stillOpen); w.Code != http.StatusBadRequest {
		t.Errorf("a wrong state after the answer: status %d", w.Code)
	}
}

func TestStartLinkWorksOnce(t *testing.T) {
	var told []Event
	s := testServer(func(e Event) { told = append(told, e) })
	u, err := url.Parse(s.startURL())
	if err != nil || u.Host != "localhost:1455" || u.RawQuery != "" {
		t.Fatalf("the link is %q (%v)", s.startURL(), err)
	}
	w := s.ask(u.Path)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != s.authorize {
		t.Errorf("status %d to %q", w.Code, w.Header().Get("Location"))
	}
	checkHeaders(t, w.Header())
	w = s.ask(u.Path)
	mustContain(t, w.Body.String(), "already used")
	mustNotContain(t, w.Body.String(), s.attempt.State, s.authorize)
	if w.Code != http.StatusGone || w.Header().Get("Location") != "" {
		t.Errorf("a second time: status %d to %q", w.Code, w.Header().Get("Location"))
	}
	if len(told) != 1 || !errors.Is(told[0].(Rejected).Err, errLinkUsed) {
		t.Errorf("told %v", told)
	}
	s.offer("abc", nil, true)
	if w = s.ask(u.Path); w.Header().Get("Location") != donePath {
		t.Errorf("after the answer it leads to %q", w.Header().Get("Location"))
	}
}

func TestOutcomePages(t *testing.T) {
	secret := strings.Repeat("s3cr3t", 8)
	for name, c := range map[string]struct {
		result error
		wants  []string
	}{
		"signed in": {nil, []string{"<h1>You are signed in</h1>", closeTab}},
		"denied": {&AuthorizationError{Code: "access_denied", Description: "not <b>today</b>"},
			[]string{"<h1>Access was not granted</h1>", "not &lt;b&gt;today&lt;/b&gt;", "start the sign-in there once more"}},
		"refused": {&AuthorizationError{Code: "invalid_scope", Description: "<script>alert(1)</script>"},
			[]string{"<h1>The sign-in was refused</h1>", "invalid_scope: &lt;script&gt;", "start the sign-in there once more"}},
		"failed": {fmt.Errorf("exchange of %s failed\x1b[31m\u202e", secret),
			[]string{"<h1>The sign-in failed</h1>", "exchange of [redacted] failed[31m", "start the sign-in there once more"}},
		"finish was cancelled": {context.Canceled, []string{"<h1>The sign-in failed</h1>", "context canceled"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testServer(nil)
			s.offer("planted-code", nil, true)
			s.settle(t.Context(), c.result, false)
			for range 2 { // a reload shows the same
				w := s.ask(donePath)
				if w.Code != http.StatusOK {
					t.Fatalf("status %d", w.Code)
				}
				checkHeaders(t, w.Header())
				mustContain(t, w.Body.String(), append(c.wants, `<html lang="en">`, `name="viewport"`, "return to the terminal")...)
				mustNotContain(t, w.Body.String(), "planted", s.attempt.State, secret, "<script", "http://", "https://", "src=", "href=", "style=", "http-equiv")
			}
		})
	}
}

// The outcome is not known at once: the page waits, then says so and asks again.
func TestDoneWaitsForTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(nil)
		s.offer("abc", nil, true)
		begun := time.Now()
		w := s.ask(donePath)
		if took := time.Since(begun); took != outcomeWait {
			t.Errorf("it waited %v", took)
		}
		mustContain(t, w.Body.String(), "<h1>Finishing the sign-in</h1>", `<meta http-equiv="refresh" content="1">`)
		mustNotContain(t, w.Body.String(), "You are signed in")
		checkHeaders(t, w.Header())
		settled := make(chan struct{})
		go func() {
			defer close(settled)
			time.Sleep(time.Second)
			s.settle(t.Context(), nil, true)
		}()
		begun = time.Now()
		w = s.ask(donePath)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the outcome came after %v", took)
		}
		mustContain(t, w.Body.String(), "You are signed in")
		<-settled
	})
}

func TestDoneEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(nil)
		s.offer("abc", nil, true)
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", donePath, nil)
		r.Host = "localhost:1455"
		w := httptest.NewRecorder()
		go func() { time.Sleep(time.Second); cancel() }()
		s.handle(w, r)
		if w.Body.Len() != 0 {
			t.Error("a page for nobody")
		}
	})
}

func TestHowLongTheServerLingers(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx       context.Context
		inBrowser bool
		shown     bool
		waiting   bool
		want      time.Duration
	}{
		"nobody looks":        {t.Context(), true, false, false, outcomeLinger},
		"shown":               {t.Context(), true, true, false, loadLinger},
		"pasted":              {t.Context(), false, false, false, 0},
		"cancelled":           {cancelled, true, false, true, cancelLinger},
		"cancelled and shown": {cancelled, true, true, false, loadLinger},
		"told to ask again":   {t.Context(), true, false, true, refreshLinger},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := testServer(nil)
			s.offer("abc", nil, true)
			if c.waiting {
				s.ask(donePath)
			}
			begun := time.Now()
			if c.shown {
				go s.ask(donePath)
				synctest.Wait()
			}
			s.settle(c.ctx, nil, c.inBrowser)
			if took := time.Since(begun); took != c.want {
				t.Errorf("%s: %v, want %v", name, took, c.want)
			}
		})
	}
}

// dial opens a connection to the server and sends text on it.
func dial(t *testing.T, port int, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSilentAndSlowConnectionsAreEnded(t *testing.T) {
	noLeak(t)
	listeners, port, err := listen(t.Context(), systemListen, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	s := testServer(nil)
	s.http.ReadHeaderTimeout = 50 * time.Millisecond
	s.serve(listeners)
	defer s.close()
	for _, sent := range []string{"", "GET /auth/callback?code=", "GET / HTTP/1.1\r\nHost: x\r\n"} {
		c := dial(t, port, sent)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 1<<10)
		for err = nil; err == nil; {
			_, err = c.Read(buf)
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a connection that sent %q lives on", sent)
		}
	}
}

// Every server that ever ran on localhost has left its cookies.
func TestManyCookiesAtTheCallback(t *testing.T) {
	f := begin(t, t.Context(), &Browser{}, accept)
	r, err := http.NewRequest(http.MethodGet, f.right("good"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 180 { // as many as a browser keeps for one host, as large as it takes them
		r.AddCookie(&http.Cookie{Name: fmt.Sprintf("c%d", i), Value: strings.Repeat("x", 4<<10)})
	}
	if got := do(t, r); got.status != http.StatusSeeOther {
		t.Errorf("status %d", got.status)
	}
	browse(t, f.right("good")) // shows the outcome
	if err := f.wait(); err != nil {
		t.Error(err)
	}
}
