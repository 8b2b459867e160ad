package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// watched is a login with a broker that has been used, by a key and refused.
func watched(t *testing.T) (*stage, *rig.Serve) {
	t.Helper()
	st := newStage(t, time.Hour)
	key := st.cli.AddKey(t, "editor", "--rate", "600/m", "--streams", "8")
	st.cli.AddKey(t, "a-key-with-a-long-name.for-a-machine.of-the-nightly-builds_042", "--lease", "--expires", "30d")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0", "--socket", filepath.Join(shortDir(t), "s.sock"))
	for range 3 {
		askBroker(t, server.URL+"/v1/responses", key, http.StatusOK)
	}
	askBroker(t, server.URL+"/v1/nothing", key, http.StatusNotFound)
	return st, server
}

// shortDir is a directory whose path leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func askBroker(t *testing.T, address, key string, status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(`{"model":"gpt-sandbox","input":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != status {
		t.Errorf("%s: %s", address, resp.Status)
	}
}

// The page opens by its link, shows what happens while it is looked at, reads well
// in both colours at both widths, and does without scripts.
func TestStatusPage(t *testing.T) {
	st, server := watched(t)
	page := st.cli.OpenPage(t, "--socket", server.Socket)
	tab := rig.StartChrome(t).NewPerson(t)
	if failed := tab.Visit(t, page.Link); failed != "" {
		t.Fatal(failed)
	}
	shown := tab.Await(t, "Live, as of")
	for _, want := range []string{
		"All is well: the login is valid.", "Login default", "Token expires", "with the first request after", "5-hour limit", "12.5% used", "at this pace",
		"key editor", "of 600/m", "gpt-sandbox", "the login was refreshed",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page does not show %q; it shows %q", want, shown)
		}
	}
	stored := st.cli.Stored(t)
	wantNoSecret(t, "the page", rig.Get(t, tab.Chrome, chromedp.OuterHTML(chromedp.CSS("html"))), secretsOf(stored))
	if address := rig.Get(t, tab.Chrome, chromedp.Location()); strings.Contains(address, "/open/") {
		t.Errorf("the link is in the address bar: %s", address)
	}
	wantPageLegible(t, tab, "valid")

	// What is new comes without the page being loaded again.
	rig.Get(t, tab.Chrome, chromedp.Evaluate[any](`window.untouched = document.querySelector("#clients"); 0`))
	st.sandbox.Control(t, map[string]any{"revoke_all": true})
	wantCode(t, "refresh", st.cli.Run(t, "refresh"), exitSignInAgain)
	shown = tab.Await(t, "no longer accepted by the server")
	if !strings.Contains(shown, "codexauth") || !strings.Contains(shown, "To do: run") {
		t.Errorf("it does not say what to do: %q", shown)
	}
	if !rig.Get(t, tab.Chrome, chromedp.Evaluate[bool](`window.untouched === document.querySelector("#clients")`)) {
		t.Error("the page was made again, and focus and selection with it")
	}
	if got := rig.Get(t, tab.Chrome, chromedp.Evaluate[string](`document.querySelector('[role=status]').textContent`)); !strings.Contains(got, "no longer accepted") {
		t.Errorf("a screen reader is told %q", got)
	}
	wantPageLegible(t, tab, "refused")

	// A reload, and the page without scripts.
	tab.Reload(t)
	tab.Await(t, "no longer accepted by the server")
	tab.Do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	tab.Reload(t)
	if shown := tab.Await(t, "Show the present one"); !strings.Contains(shown, "no longer accepted") || !strings.Contains(shown, "key editor") {
		t.Errorf("without scripts it shows %q", shown)
	}
	tab.Do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
		return err
	}))
	tab.Reload(t)
	tab.Await(t, "Live, as of")
	if said := tab.Console(t); len(said) > 0 {
		t.Errorf("the browser complains: %q", said)
	}
	page.Stop()
	tab.Await(t, "Nobody answers any more")
}

// wantPageLegible fails if the page can't be read well, in light and dark, in a
// window and on a small phone, or breaks a rule of accessibility.
func wantPageLegible(t *testing.T, tab *rig.Tab, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for screen, size := range map[string][2]int64{"window": {1280, 900}, "phone": {360, 800}} {
			tab.Do(t, colours(scheme), chromedp.EmulateViewport(size[0], size[1]))
			if wide := rig.Get(t, tab.Chrome, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wide > 0 {
				t.Errorf("%s, %s, %s: %d pixels too wide", name, scheme, screen, wide)
			}
			for _, broken := range tab.Inaccessible(t) {
				t.Errorf("%s, %s, %s: %s", name, scheme, screen, broken)
			}
			takeWholePicture(t, tab, "page-"+name+"-"+scheme+"-"+screen)
		}
	}
	tab.Do(t, chromedp.ResetViewport())
}

// takeWholePicture is takePicture of what is below the window's edge, too.
func takeWholePicture(t *testing.T, tab *rig.Tab, name string) {
	t.Helper()
	dir := os.Getenv(screenshotVariable)
	if dir == "" {
		return
	}
	picture := rig.Get(t, tab.Chrome, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A broker that lies, or whose texts come from liars: whatever it says is shown as
// text, at first and when it changes.
func TestStatusPageOfAHostileBroker(t *testing.T) {
	const hostile = `</p></script></style><img src=x onerror="document.title='owned'"><svg onload=alert(1)>"'><script>alert(2)</script>`
	text := hostile
	var mu sync.Mutex
	hurt := map[string]any{}
	say := func(more string) {
		mu.Lock()
		defer mu.Unlock()
		text = hostile + more
		trouble := map[string]any{"at": time.Now(), "code": text, "description": text, "cut_off": text}
		hurt = map[string]any{
			"at": time.Now(), "started_at": time.Now(), "version": text, "connections": 1,
			"logins": []any{map[string]any{
				"profile": text, "state": text, "error": text, "account": text, "plan": text, "issuer": text, "failure": text, "pending": text, "refusal": trouble,
				"usage": map[string]any{"at": time.Now(), "error": text, "windows": []any{map[string]any{"name": text, "used_percent": 1e300}}},
			}},
			"clients": []any{map[string]any{"name": text, "rate": text}}, "models": []any{map[string]any{"name": text}},
			"events": []any{map[string]any{"at": time.Now(), "profile": text, "text": text, "remedy": text, "bad": true}},
		}
	}
	say("")
	socket := filepath.Join(shortDir(t), "s.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	liar := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		json.NewEncoder(w).Encode(hurt)
	}))
	liar.Listener.Close()
	liar.Listener = l
	liar.Start()
	defer liar.Close()

	cli := rig.NewCLI(t, "http://127.0.0.1:1")
	page := cli.OpenPage(t, "--socket", socket)
	tab := rig.StartChrome(t).NewPerson(t)
	tab.Visit(t, page.Link)
	for _, more := range []string{"", " and then <b>this</b>"} {
		say(more)
		tab.Await(t, "Live, as of")
		tab.Await(t, hostile[:40])
		tab.Await(t, more)
		got := rig.Get(t, tab.Chrome, chromedp.Evaluate[string](`[document.title.startsWith('owned'), document.images.length, document.scripts.length,
			document.querySelectorAll('b, svg:not(.bar), style').length, document.querySelectorAll('[onload], [onerror]').length].join()`))
		if got != "false,0,1,1,0" {
			t.Errorf("after %q the page has grown: %s", more, got)
		}
	}
	if said := tab.Console(t); len(said) > 0 {
		t.Errorf("the browser says %q", said)
	}
}

// What a page of somebody else's, a second browser and a server at another port can
// do to the page: nothing.
func TestStatusPageUnderAttack(t *testing.T) {
	st, server := watched(t)
	var mu sync.Mutex
	var came []http.Header
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came = append(came, r.Header.Clone())
		mu.Unlock()
		evilPage(w, r)
	}))
	defer site.Close()
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	chrome := rig.StartChromeWith(t, "--host-resolver-rules=MAP *.example 127.0.0.1", "--disable-popup-blocking")
	here, evil := "http://127.0.0.1:"+port+"/", "http://evil.example:"+port+"/"

	page := st.cli.OpenPage(t, "--socket", server.Socket)
	victim := chrome.NewPerson(t)

	// Before it is used, whoever knows the link can't use it up from a page.
	for _, from := range []string{here, evil} {
		tab := victim.NewTab(t)
		tab.Visit(t, from)
		link := strings.TrimPrefix(page.Link, page.Origin())
		wantUnread(t, from, aim{page.Origin(), link, link, link, "codexauth_key", `{"x":""}`}.attack(t, tab))
	}
	victim.Visit(t, page.Link)
	victim.Await(t, "Live, as of")
	address := rig.Get(t, victim.Chrome, chromedp.Location())
	path := strings.TrimPrefix(address, page.Origin())
	secret := strings.TrimPrefix(page.Link, page.Origin()+"/open/")

	// With the cookie in the same browser, and even knowing the path.
	for _, from := range []string{here, evil} {
		tab := victim.NewTab(t)
		tab.Visit(t, from)
		for _, get := range []string{path, path + "now"} {
			if get != path && from == evil {
				continue // a port of the same host is closer: its requests carry the cookie
			}
			wantUnread(t, from, aim{page.Origin(), get, get, get, "codexauth_key", `{"x":""}`}.attack(t, tab))
		}
		// Clickjacking.
		rig.Get(t, tab.Chrome, chromedp.Evaluate[any](fmt.Sprintf(
			`new Promise(done => { const f = document.createElement('iframe'); f.onload = () => done(0); f.src = %q; document.body.append(f); })`, address), chromedp.EvalAwaitPromise))
		if said := strings.Join(tab.Console(t), "\n"); !strings.Contains(said, "Framing") && !strings.Contains(said, "frame") {
			t.Errorf("from %s a frame shows the page: %q", from, said)
		}
		// A window of the attacker's own can't be looked into.
		seen := rig.Get(t, tab.Chrome, chromedp.Evaluate[string](fmt.Sprintf(
			`new Promise(done => { const w = open(%q); setTimeout(() => { try { done('read: ' + w.document.body.innerText) } catch (e) { done(w.closed ? 'severed' : e.name) } }, 1500); })`, address), chromedp.EvalAwaitPromise))
		if strings.HasPrefix(seen, "read: ") && strings.TrimSpace(seen) != "read:" {
			t.Errorf("from %s a window is looked into: %s", from, seen)
		}
	}

	// A second browser has neither the link nor the cookie.
	other := chrome.NewPerson(t)
	other.Visit(t, page.Link)
	other.Await(t, "it was used before")
	other.Visit(t, address)
	other.Await(t, "This page is not yours")
	victim.Reload(t)
	victim.Await(t, "Live, as of")

	// No other port of this machine, and no other site, ever sees the cookie, the
	// ticket or the page's path.
	mu.Lock()
	defer mu.Unlock()
	if len(came) < 20 {
		t.Errorf("the attacker's site was asked %d times only", len(came))
	}
	for _, h := range came {
		text := fmt.Sprint(h)
		if strings.Contains(text, "codexauth_page") || strings.Contains(text, secret) || strings.Contains(text, strings.Trim(path, "/")) {
			t.Errorf("the attacker's site was sent %s", text)
		}
	}
	if log := page.Log() + server.Log(); strings.Contains(log, secret) || strings.Contains(log, strings.Trim(path, "/")) {
		t.Error("a log holds the link or the path")
	}
}

// A link that is clicked on another site's page, such as a terminal in a browser,
// leads to the page, too, and the address that it is clicked at learns nothing.
func TestStatusPageFromAnotherSite(t *testing.T) {
	st, server := watched(t)
	page := st.cli.OpenPage(t, "--socket", server.Socket)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>terminal</title><a id="link" href="%s">here</a>`, page.Link)
	}))
	defer site.Close()
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	chrome := rig.StartChromeWith(t, "--host-resolver-rules=MAP *.example 127.0.0.1")
	tab := chrome.NewPerson(t)
	tab.Visit(t, "http://terminal.example:"+port+"/")
	tab.Do(t, chromedp.Click(chromedp.CSS("#link")))
	tab.Await(t, "Live, as of")
	for _, request := range chrome.Quit(t) {
		if referer := request.Headers["Referer"]; strings.Contains(referer, "/open/") || strings.Contains(referer, page.Origin()) {
			t.Errorf("a Referer: %s", referer)
		}
	}
}
