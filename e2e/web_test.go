package e2e

import (
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/person"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/attacks.js testdata/sw.js
var attacks embed.FS

// evilPage answers as the site of an attacker does: a page with scripts, and
// redirects to wherever it is told.
func evilPage(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>evil</title><body><script src="/attacks.js"></script></body>`)
	case "/attacks.js", "/sw.js":
		script, err := attacks.ReadFile("testdata" + r.URL.Path)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "text/javascript")
		w.Write(script)
	case "/redirect":
		w.Header().Set("Access-Control-Allow-Origin", "*")
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	default:
		http.NotFound(w, r)
	}
}

// An aim is what a page attacks.
type aim struct {
	Origin string `json:"origin"`
	Get    string `json:"get"`
	Post   string `json:"post"`
	Stream string `json:"stream"`
	Key    string `json:"key"`
	Body   string `json:"body"`
}

// aimAt is a broker, by its address, and a key that is good for it.
func aimAt(origin, key string) aim {
	return aim{origin, "/v1/models", "/v1/responses", "/backend-api/codex/responses", key, prompt("from a web page")}
}

// attack runs all attempts in a tab that shows a page with them.
func (a aim) attack(t *testing.T, tab *rig.Tab) []string {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return rig.Get(t, tab.Chrome, chromedp.Evaluate[[]string]("attack("+string(text)+")", chromedp.EvalAwaitPromise))
}

// wantUnread fails if a page has learned anything.
func wantUnread(t *testing.T, from string, lines []string) {
	t.Helper()
	if len(lines) < 30 {
		t.Errorf("%s made %d attempts only", from, len(lines))
	}
	for _, line := range lines {
		if strings.Contains(line, "read:") {
			t.Errorf("a page from %s: %s", from, line)
		}
	}
}

// That the attempts succeed where a server lets them, so that they can fail.
func webControl(t *testing.T, w web) {
	var asked atomic.Int64
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type")
		h.Set("Access-Control-Allow-Methods", "*")
		if r.Header.Get("Accept") == "text/event-stream" {
			h.Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: x\n\n")
			return
		}
		h.Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "1")
	}))
	defer open.Close()
	a := aimAt(open.URL, "codexauth_a_key")
	a.Stream = "/events"
	tab := w.chrome.NewPerson(t)
	tab.Visit(t, w.here)
	lines := strings.Join(a.attack(t, tab), "\n")
	for _, name := range []string{
		"fetch", "fetch with cookies", "fetch with a key", "fetch text/plain", "fetch JSON with a key", "fetch that is redirected",
		"XMLHttpRequest", "XMLHttpRequest with a key", "script", "module", "EventSource", "worker", "service worker from here",
	} {
		if !strings.Contains("\n"+lines, "\n"+name+": read:") {
			t.Errorf("%s: it should have been read, or it proves nothing", name)
		}
	}
	if n := asked.Load(); n < 35 {
		t.Errorf("a server that lets everybody in was asked %d times only", n)
	}
	if t.Failed() {
		t.Log(lines)
	}
}

// web is what the tests of TestWebPage share.
type web struct {
	chrome *rig.Chrome
	port   string // of the attacker's site
	here   string // that site, by an address of this machine
	evil   string // the same by a name of its own
}

// What a page of somebody else's in the user's browser can do to a broker, and to
// a sign-in: nothing. Not even where it knows a key.
func TestWebPage(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(evilPage))
	defer site.Close()
	_, port, err := net.SplitHostPort(site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := web{
		rig.StartChromeWith(t, "--host-resolver-rules=MAP *.example 127.0.0.1", "--disable-popup-blocking"),
		port, "http://127.0.0.1:" + port + "/", "http://evil.example:" + port + "/",
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, web)
	}{
		{"control", webControl},
		{"serve", webServe},
		{"exec", webExec},
		{"rebinding", webRebinding},
		{"callback", webCallback},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, w) })
	}
}

func webServe(t *testing.T, w web) {
	st := newStage(t, time.Hour)
	key := st.cli.AddKey(t, "stolen", "--lease")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
	before := st.cli.Stored(t)
	for _, page := range []string{w.here, w.evil} {
		tab := w.chrome.NewPerson(t)
		tab.Visit(t, page)
		for _, a := range []aim{aimAt(server.URL, key), leaseOf(server.URL, key)} {
			wantUnread(t, page, a.attack(t, tab))
		}
	}
	wantAllRefused(t, server.Lines())
	wantNoPermission(t, server.URL, key)
	st.wantUntouched(t, before)
	wantHealthy(t, st, server.ThroughServe("", key))
}

// leaseOf is the endpoint that hands tokens out.
func leaseOf(origin, key string) aim {
	return aim{origin, "/token", "/token", "/token", key, `{"x":""}`}
}

// wantUntouched fails if anything came to the backend or has changed.
func (st *stage) wantUntouched(t *testing.T, before rig.Stored) {
	t.Helper()
	if n := len(st.tap.Seen()); n != 0 {
		t.Errorf("%d requests came to the backend", n)
	}
	for name, count := range st.sandbox.Counters(t) {
		if count != 0 && name != "discovery_requests" {
			t.Errorf("the sandbox counts %d %s", count, name)
		}
	}
	if st.cli.Stored(t) != before {
		t.Error("the login has changed")
	}
}

// wantHealthy fails unless the broker still does what it is for.
func wantHealthy(t *testing.T, st *stage, w rig.Way) {
	t.Helper()
	if said := sdk(t, w, "create", "{}"); said.Error != nil {
		t.Errorf("after that, the SDK says %+v", said.Error)
	}
	asked, lists := 0, 0
	for _, r := range st.tap.Seen() {
		if r.Method == http.MethodGet && r.Path == "/models" {
			lists++ // the broker's own question
		} else {
			asked++
		}
	}
	if asked != 1 || lists > 1 {
		t.Errorf("one request came to the backend as %d, with %d questions for its models", asked, lists)
	}
}

var statusOf = regexp.MustCompile(` status=(\d+) `)

// wantAllRefused fails unless the log has a refusal for each of many requests.
func wantAllRefused(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) < 60 {
		t.Errorf("of all attempts %d came to the broker: that proves little", len(lines))
	}
	counts := map[string]int{}
	for _, line := range lines {
		m := statusOf.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, `who=""`) || m[1] < "400" || m[1] >= "500" {
			t.Errorf("not refused: %s", line)
			continue
		}
		counts[m[1]]++
	}
	t.Logf("%d requests were refused, by status: %v", len(lines), counts)
}

// wantNoPermission asks as a browser does before it sends what a page may not
// send without being allowed to.
func wantNoPermission(t *testing.T, origin, key string) {
	t.Helper()
	for _, path := range []string{"/v1/models", "/v1/responses", "/backend-api/codex/responses", "/token", "/healthz", "/"} {
		for _, from := range []string{"http://evil.example", "null", origin} {
			req, err := http.NewRequest(http.MethodOptions, origin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", from)
			req.Header.Set("Access-Control-Request-Method", "POST")
			req.Header.Set("Access-Control-Request-Headers", "authorization, content-type")
			req.Header.Set("Access-Control-Request-Private-Network", "true")
			req.Header.Set("Access-Control-Request-Local-Network", "true")
			req.Header.Set("Authorization", "Bearer "+key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("OPTIONS %s for %s: %s", path, from, resp.Status)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Cross-Origin-Resource-Policy" && resp.Header.Get(name) == "cross-origin" {
					t.Errorf("OPTIONS %s for %s: the answer has %s", path, from, name)
				}
			}
		}
	}
}

// The front of `exec`, for as long as its command runs.
func webExec(t *testing.T, w web) {
	st := newStage(t, time.Hour)
	before := st.cli.Stored(t)
	talk := st.cli.ThroughExec().Talk(t, "sh", "-c", `echo "$OPENAI_BASE_URL"; echo "$OPENAI_API_KEY"; read -r wait; exit 3`)
	base, key := talk.Hear(t), talk.Hear(t)
	origin := strings.TrimSuffix(base, "/v1")
	for _, page := range []string{w.here, w.evil} {
		tab := w.chrome.NewPerson(t)
		tab.Visit(t, page)
		for _, a := range []aim{aimAt(origin, key), leaseOf(origin, key)} {
			wantUnread(t, page, a.attack(t, tab))
		}
	}
	var lines []string
	for line := range strings.Lines(talk.Stderr()) {
		if strings.Contains(line, "msg=request ") {
			lines = append(lines, line)
		}
	}
	wantAllRefused(t, lines)
	wantNoPermission(t, origin, key)
	st.wantUntouched(t, before)
	wantHealthy(t, st, rig.Way{}.With("OPENAI_BASE_URL="+base, "OPENAI_API_KEY="+key))
	talk.Say(t, "")
	if r := talk.Close(t); r.Code != 3 {
		t.Errorf("exec: exit %d, want the command's 3", r.Code)
	}
}

// A page whose name points at this machine once it is loaded (DNS rebinding) is
// of one origin with the broker: nothing of the browser's stands between them.
func webRebinding(t *testing.T, w web) {
	st := newStage(t, time.Hour)
	key := st.cli.AddKey(t, "stolen", "--lease")
	before := st.cli.Stored(t)
	site := httptest.NewServer(http.HandlerFunc(evilPage))
	address := site.Listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://rebound.example:" + port
	tab := w.chrome.NewPerson(t)
	tab.Visit(t, origin+"/")
	site.CloseClientConnections()
	site.Close()
	server := st.cli.StartServe(t, "--listen", address)

	for _, path := range []string{"/v1/models", "/token", "/healthz", "/"} {
		const script = `fetch(%q, {method: %q, headers: {Authorization: 'Bearer ' + %q}}).then(async r => r.status + ' ' + await r.text(), e => e.name)`
		for _, method := range []string{"GET", "POST"} {
			got := rig.Get(t, tab.Chrome, chromedp.Evaluate[string](fmt.Sprintf(script, path, method, key), chromedp.EvalAwaitPromise))
			status, text, _ := strings.Cut(got, " ")
			// A POST has an Origin besides.
			if status != "421" && status != "403" {
				t.Errorf("%s %s: answered %s, with %d characters", method, path, status, len(text))
			}
			if rig.HoldsAny(text, before.AccessToken, before.RefreshToken, key, "gpt-sandbox", `"ok"`) {
				t.Errorf("%s %s: the answer tells something", method, path)
			}
		}
	}
	if n := len(server.Lines()); n < 8 {
		t.Errorf("%d requests came to the broker, want 8: %q", n, server.Lines())
	}
	st.wantUntouched(t, before)
	wantHealthy(t, st, server.ThroughServe("", key))
}

// The same attempts at the port to which a sign-in comes back, with a code and a
// state of the attacker's own: the sign-in goes on, and is the user's.
func webCallback(t *testing.T, w web) {
	s := rig.StartSandbox(t)
	cli := rig.NewCLI(t, s.Issuer)
	signInPorts.Lock()
	defer signInPorts.Unlock()
	login := cli.StartLogin(t)
	forged := "/auth/callback?" + url.Values{"code": {"forged"}, "state": {"forged"}, "iss": {s.Issuer}}.Encode()
	for _, page := range []string{w.here, w.evil} {
		for _, origin := range []string{"http://localhost:1455", "http://127.0.0.1:1455"} {
			tab := w.chrome.NewPerson(t)
			tab.Visit(t, page)
			wantUnread(t, page, aim{origin, forged, forged, forged, "codexauth_key", `{"x":""}`}.attack(t, tab))
			wantUnread(t, page, aim{origin, "/auth/done", "/auth/done", "/auth/done", "codexauth_key", `{"x":""}`}.attack(t, tab))
		}
	}
	if c := s.Counters(t); c["token_requests"] != 0 {
		t.Fatalf("counters %v, want no token request", c)
	}
	callback, err := person.New("ada@example.test").Approve(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wantCode(t, "login", login.Wait(t), exitDone)
	if got := readStatus(t, cli, exitDone).Email; got != "ada@example.test" {
		t.Errorf("signed in as %s", got)
	}
	if c := s.Counters(t); c["token_requests"] != 1 || c["code_exchanges"] != 1 {
		t.Errorf("counters %v, want one exchange", c)
	}
}
