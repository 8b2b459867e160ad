package page

import (
	"context"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/watch"
	"codexauth/internal/caller"
	"codexauth/internal/rig/everytext"
)

func newServer(t *testing.T) *Server {
	t.Helper()
	s := &Server{LinkLife: time.Minute, Look: func(context.Context) watch.View { return watch.View{Summary: "All is well."} }}
	s.from = func(r *http.Request) (caller.Who, string) {
		switch r.Header.Get("X-Caller") {
		case "stranger":
			return caller.Stranger, "4711"
		case "untold":
			return caller.Untold, ""
		}
		return caller.Ours, "1000"
	}
	s.prepare()
	t.Cleanup(func() { s.timer.Stop() })
	return s
}

// get asks as a browser does that opens an address from its address bar.
func (s *Server) get(target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "127.0.0.1:4000"
	for _, h := range append([]string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, headers...) {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "Method":
			r.Method = value
		default:
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *Server) link() string   { return openPath + s.ticket }
func (s *Server) cookie() string { return "Cookie: " + cookieName + "=" + s.session }

// The link becomes a cookie, once.
func TestLink(t *testing.T) {
	s := newServer(t)
	w := s.get(s.link())
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != s.path || w.Body.Len() != 0 {
		t.Fatalf("status %d, to %q", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != s.path || c[0].Domain != "" || c[0].MaxAge != 0 || !c[0].Expires.IsZero() || c[0].Value != s.session {
		t.Errorf("the cookie: %v", w.Header()["Set-Cookie"])
	}
	if strings.Contains(s.path, s.session) || strings.Contains(s.path, strings.ToLower(s.ticket)) || strings.Contains(s.ticket, s.session) {
		t.Error("one secret tells another")
	}
	for range 2 {
		if w := s.get(s.link()); w.Code != http.StatusForbidden || w.Header()["Set-Cookie"] != nil || strings.Contains(w.Body.String(), s.path) {
			t.Errorf("the second time: status %d", w.Code)
		}
	}
	if w := s.get(s.path, s.cookie()); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "All is well.") {
		t.Errorf("the page after a replay of one's own: status %d", w.Code)
	}
}

// Who may not see the page sees nothing of it, and uses nothing up.
func TestWhoSeesNothing(t *testing.T) {
	s := newServer(t)
	wrong := strings.Repeat("A", len(s.ticket))
	for name, headers := range map[string][]string{
		"another user's program":     {"X-Caller: stranger"},
		"another name":               {"Host: evil.example:4000"},
		"no name":                    {"Host: "},
		"a page's script":            {"Origin: http://127.0.0.1:4000"},
		"a page of no origin":        {"Origin: null"},
		"a form":                     {"Method: POST"},
		"a question without a page":  {"Method: HEAD"},
		"a frame":                    {"Sec-Fetch-Dest: iframe"},
		"a picture":                  {"Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"},
		"a browser that loads ahead": {"Sec-Purpose: prefetch;prerender"},
	} {
		for _, target := range []string{s.link(), s.path, s.path + "now"} {
			w := s.get(target, append(headers, s.cookie())...)
			if w.Code < 400 || w.Header()["Set-Cookie"] != nil || strings.Contains(w.Body.String(), "All is well") {
				t.Errorf("%s, %s: status %d", name, target, w.Code)
			}
		}
	}
	for _, target := range []string{openPath, openPath + wrong, s.link() + "/", s.link()[:len(s.link())-1], "/", "/favicon.ico", s.path + "x", strings.TrimSuffix(s.path, "/")} {
		if w := s.get(target, s.cookie()); w.Code < 400 || w.Header()["Set-Cookie"] != nil {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := s.get(s.path, s.cookie()); w.Code != http.StatusForbidden {
		t.Errorf("the page before its link: status %d", w.Code)
	}
	if w := s.get(s.link()); w.Code != http.StatusSeeOther {
		t.Errorf("the link after all that: status %d", w.Code)
	}
	for _, cookie := range []string{"", "Cookie: " + cookieName + "=", "Cookie: " + cookieName + "=" + wrong} {
		if w := s.get(s.path, cookie); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "All is well") {
			t.Errorf("%q: status %d", cookie, w.Code)
		}
	}
	if w := s.get(s.path+"now", s.cookie(), "Sec-Fetch-Site: same-site", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"); w.Code != http.StatusForbidden {
		t.Errorf("a page at another port: status %d", w.Code)
	}
	if w := s.get(s.path+"now", s.cookie(), "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"); w.Code != http.StatusOK {
		t.Errorf("the page's own script: status %d", w.Code)
	}
}

// Where the system does not tell whose program calls, a second use of the link ends
// the page: the first may have been a stranger's.
func TestLinkUsedTwiceByWhoeverItIs(t *testing.T) {
	s := newServer(t)
	if w := s.get(s.link(), "X-Caller: untold"); w.Code != http.StatusSeeOther {
		t.Fatalf("status %d", w.Code)
	}
	if w := s.get(s.link(), "X-Caller: untold"); w.Code != http.StatusForbidden {
		t.Errorf("the second: status %d", w.Code)
	}
	if w := s.get(s.path, s.cookie(), "X-Caller: untold"); w.Code != http.StatusForbidden {
		t.Errorf("the first one's page: status %d", w.Code)
	}
	<-s.over
	if s.closed != ErrReplayed {
		t.Errorf("over because of %v", s.closed)
	}
}

// The link and the page end by themselves.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		time.Sleep(s.LinkLife)
		if w := s.get(s.link()); w.Code != http.StatusForbidden {
			t.Errorf("an old link: status %d", w.Code)
		}
		if <-s.over; s.closed != ErrUnopened {
			t.Errorf("over because of %v", s.closed)
		}
		s = newServer(t)
		time.Sleep(s.LinkLife - time.Second)
		s.get(s.link())
		time.Sleep(sessionLife - time.Second)
		if w := s.get(s.path, s.cookie()); w.Code != http.StatusOK {
			t.Errorf("shortly before its end: status %d", w.Code)
		}
		time.Sleep(time.Second)
		if w := s.get(s.path, s.cookie()); w.Code != http.StatusForbidden {
			t.Errorf("after its end: status %d", w.Code)
		}
		if <-s.over; s.closed != ErrOver {
			t.Errorf("over because of %v", s.closed)
		}
	})
}

// Served for real, the page is there for this user, and gone with the command.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{LinkLife: time.Minute, Look: func(context.Context) watch.View { return watch.View{} }}
	link, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, func(text string) { link <- text }) }()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	address := <-link
	resp, err := hc.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Errorf("status %s", resp.Status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the end: %v", err)
	}
	if resp, err := hc.Get(address); err == nil {
		resp.Body.Close()
		t.Error("it still answers")
	}
}

// What every answer says to a browser.
func TestHeaders(t *testing.T) {
	s := newServer(t)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"refused": s.get("/"), "linked": s.get(s.link()), "page": s.get(s.path, s.cookie()), "elsewhere": s.get("/", "Host: evil.example"),
	} {
		h := w.Header()
		for header, want := range map[string]string{
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if h.Get(header) != want {
				t.Errorf("%s: %s: %q", name, header, h.Get(header))
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy has no %s", name, part)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "http") {
			t.Errorf("%s: the policy: %s", name, csp)
		}
		for header := range h {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s: %s", name, header)
			}
		}
	}
}

// Nothing is loaded from elsewhere, and nothing in the page is a style or a script
// of its own.
func TestPageLoadsNothing(t *testing.T) {
	text := string(whole(viewOf(t, "x")))
	style, script := between(text, "<style>", "</style>"), between(text, "<script>", "</script>")
	if style != styleCSS || script != liveJS {
		t.Error("the hashes are of something else")
	}
	for _, bad := range []string{"src=", "@import", "url(", " style=", " on", "innerHTML", "eval("} {
		for part, text := range map[string]string{"page": strings.NewReplacer(style, "", script, "").Replace(text), "style": style, "script": script} {
			if bad == " on" && part != "page" {
				continue
			}
			for _, found := range regexp.MustCompile(regexp.QuoteMeta(bad)+`\w*=?`).FindAllString(text, -1) {
				if bad != " on" || strings.HasSuffix(found, "=") {
					t.Errorf("the %s has %q", part, found)
				}
			}
		}
	}
	if n := strings.Count(text, "http"); n != 0 {
		t.Errorf("%d addresses", n)
	}
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}

// viewOf is what is seen of a broker each of whose texts is text.
func viewOf(t *testing.T, text string) watch.View {
	t.Helper()
	var o overview.Overview
	everytext.Fill(&o, text)
	w := &watch.Watcher{
		Ask:    func(context.Context) (*overview.Overview, error) { return &o, nil },
		Remedy: func(profile string) string { return "run login for " + profile },
	}
	v := w.Look(t.Context())
	v.Trouble, v.Now, v.Since = text, text, text
	for i := range v.Logins {
		v.Logins[i].Remedy = text
	}
	return v
}

// Whatever a server, a client or an account calls itself, it stays a text: the page
// is the same as with harmless texts.
func TestEveryTextStaysAText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the time stands still between the two
		harmless := string(whole(viewOf(t, "x4x")))
		if n := strings.Count(harmless, "x4x"); n < 20 {
			t.Errorf("%d texts are shown: the test is blind", n)
		}
		for _, hostile := range []string{
			`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, `</title></style><svg onload=a()>`, `{{main}}{{script}}`, `&lt;b&gt;`, `<!--`,
		} {
			got := string(whole(viewOf(t, hostile)))
			if want := strings.ReplaceAll(harmless, "x4x", html.EscapeString(hostile)); got != want {
				t.Errorf("%s: the page has another shape", hostile)
			}
		}
	})
}
