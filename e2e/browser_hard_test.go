package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"

	"github.com/chromedp/chromedp"
)

// Where the browser comes back to.
const (
	callbackURL = "http://localhost:1455/auth/callback"
	doneURL     = "http://localhost:1455/auth/done"
)

// hard is what the tests of TestHardBrowser share: a browser takes longer to
// start than most of them take.
type hard struct {
	server *rig.Server
	chrome *rig.Chrome
}

// What a browser, and whoever else reaches the loopback ports, may do to a
// sign-in beside going through with it.
func TestHardBrowser(t *testing.T) {
	h := hard{rig.StartServer(t), rig.StartChromeWith(t, "--host-resolver-rules=MAP evil.example 127.0.0.1")}
	for _, c := range []struct {
		name string
		run  func(*testing.T, hard)
	}{
		{"silent connections", hardSilentConnections},
		{"replay and reload", hardReplay},
		{"tab closed early", hardTabClosed},
		{"wrong state first", hardWrongState},
		{"hostile refusal", hardHostileRefusal},
		{"another host", hardOtherHost},
		{"nothing leaks", hardNothingLeaks},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.server.Reset(t)
			c.run(t, h)
		})
	}
	sent := h.chrome.Quit(t)
	if len(sent) == 0 {
		t.Error("Chromium's network log is empty")
	}
	for _, request := range sent {
		if referer := request.Headers["Referer"]; strings.Contains(referer, "/auth/callback") || strings.Contains(referer, "code=") {
			t.Errorf("a Referer tells the address of a callback, to %s", request.Headers["Host"])
		}
	}
}

// consent signs in at the server and allows what is asked for. The browser is
// on its way back then.
func consent(t *testing.T, tab *rig.Tab, start string) {
	t.Helper()
	tab.Do(t,
		chromedp.Navigate(start),
		chromedp.Clear(emailField),
		chromedp.SendKeys(emailField, "ada@example.test"),
		chromedp.Click(continueBtn),
		chromedp.WaitVisible(allowBtn),
		chromedp.Click(allowBtn),
	)
}

// forge returns a callback's address with the state, and the name of the issuer,
// that the sign-in expects.
func forge(t *testing.T, h hard, authorize string, more url.Values) string {
	t.Helper()
	u, err := url.Parse(authorize)
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"state": {u.Query().Get("state")}, "iss": {h.server.Issuer}}
	for name, values := range more {
		q[name] = values
	}
	return callbackURL + "?" + q.Encode()
}

// A browser opens connections in advance, and others keep them open for no good
// reason. None stands in the way, and none stays for ever. The server's answer
// takes longer than a page should hang.
func hardSilentConnections(t *testing.T, h hard) {
	const each = 20
	h.server.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 6000, Count: 1})
	cli := rig.NewCLI(t, h.server.Issuer)
	login := cli.StartLogin(t)
	var closed []func() int
	for _, address := range loopbackAddresses(t, "1455") {
		closed = append(closed, keepSilent(address, "", each), keepSilent(address, "GET /auth/callb", each))
	}
	tab := h.chrome.NewPerson(t)
	consent(t, tab, login.URL)
	tab.Await(t, "Finishing the sign-in")
	tab.Await(t, "You are signed in")
	wantCode(t, "login", login.Wait(t), exitDone)
	for _, closed := range closed {
		// At the end all of them; and before that, all that had sent no request
		// for five seconds.
		if n := closed(); n < 2*each {
			t.Errorf("connections that say nothing were ended %d times, want %d at least", n, 2*each)
		}
	}
	token(t, cli)
	wantCounters(t, h.server, oidc.Counters{TokenRequests: 1, CodeExchanges: 1, MaxInFlight: 1})
}

// loopbackAddresses are those of this machine.
func loopbackAddresses(t *testing.T, port string) []string {
	t.Helper()
	addresses := []string{net.JoinHostPort("127.0.0.1", port)}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Logf("not on ::1, which this machine lacks: %v", err)
		return addresses
	}
	l.Close()
	return append(addresses, net.JoinHostPort("::1", port))
}

// keepSilent keeps n connections open that send text and nothing else, until
// nobody listens any more. closed waits for that and tells how often one of them
// was ended from over there.
func keepSilent(address, text string, n int) (closed func() int) {
	var workers sync.WaitGroup
	var count atomic.Int64
	for range n {
		workers.Go(func() {
			for {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				io.WriteString(conn, text)
				io.Copy(io.Discard, conn)
				conn.Close()
				count.Add(1)
			}
		})
	}
	return func() int {
		workers.Wait()
		return int(count.Load())
	}
}

// The page is reloaded and the callback's address opened again while the code is
// exchanged, and again when all is over, and the consent is given twice: the
// code is exchanged once, and whatever page there is tells how that went.
func hardReplay(t *testing.T, h hard) {
	h.server.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 5200, Count: 1})
	cli := rig.NewCLI(t, h.server.Issuer)
	login := cli.StartLogin(t)
	first := h.chrome.NewPerson(t)
	second := first.NewTab(t)
	consent(t, first, login.URL)
	callback := first.AwaitRequest(t, callbackURL+"?")
	first.Await(t, "Finishing the sign-in")
	first.Reload(t)
	second.Visit(t, callback)
	for _, tab := range []*rig.Tab{first, second} {
		tab.Await(t, "You are signed in")
		if at := rig.Get(t, tab.Chrome, chromedp.Location()); at != doneURL {
			t.Errorf("the page with the outcome is not at %s", doneURL)
		}
	}
	wantCode(t, "login", login.Wait(t), exitDone)

	const gone = "ERR_CONNECTION_REFUSED"
	if got := second.Visit(t, callback); got != "net::"+gone {
		t.Errorf("the callback after the end: %q, want net::%s", got, gone)
	}
	first.Reload(t)
	first.Await(t, gone)
	if to := first.Back(t); !strings.HasPrefix(to, h.server.Issuer+"/") {
		t.Errorf("the back button leads to %q, not to the authorization server", to)
	}
	first.Await(t, "Authorize")
	// A page that comes back as it was has no new nodes to click on.
	rig.Get(t, first.Chrome, chromedp.Evaluate[any]("document.querySelector('#allow').click()"))
	first.Await(t, "invalid_request")
	wantCounters(t, h.server, oidc.Counters{TokenRequests: 1, CodeExchanges: 1, MaxInFlight: 1})
	if !rig.Discover(t, h.server.Issuer).Active(t, cli.Stored(t).RefreshToken) {
		t.Error("the login did not survive that")
	}
}

// Who closes the tab as soon as they have allowed it is signed in all the same.
func hardTabClosed(t *testing.T, h hard) {
	h.server.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 1000, Count: 1})
	cli := rig.NewCLI(t, h.server.Issuer)
	login := cli.StartLogin(t)
	tab := h.chrome.NewPerson(t)
	consent(t, tab, login.URL)
	tab.AwaitRequest(t, doneURL)
	tab.Close(t)
	wantCode(t, "login", login.Wait(t), exitDone)
	token(t, cli)
}

// A callback of somebody else's making gets a page that repeats nothing of it,
// and the sign-in goes on.
func hardWrongState(t *testing.T, h hard) {
	cli := rig.NewCLI(t, h.server.Issuer)
	login := cli.StartLogin(t)
	tab := h.chrome.NewPerson(t)
	for _, query := range []string{
		"code=forgedcode&state=forgedstate",
		"error=access_denied&error_description=forgedwords&state=forgedstate",
	} {
		tab.Visit(t, callbackURL+"?"+query)
		text := tab.Await(t, "This answer was not accepted")
		if strings.Contains(text, "forged") || saysRefused.MatchString(text) || !strings.Contains(text, "still waiting") {
			t.Errorf("the page for another state: %q", text)
		}
	}
	wantLegible(t, tab, "wrong-state")
	wantNoReferrer(t, tab)
	if n := h.server.Counters(t).TokenRequests; n != 0 {
		t.Fatalf("%d token requests for another state, want none", n)
	}
	consent(t, tab, login.URL)
	tab.Await(t, "You are signed in")
	r := login.Wait(t)
	wantCode(t, "login", r, exitDone)
	if n := strings.Count(r.Stderr, "does not belong to the sign-in"); n != 1 {
		t.Errorf("the person was told %d times of a stray answer, want once: %q", n, r.Stderr)
	}
	wantCounters(t, h.server, oidc.Counters{TokenRequests: 1, CodeExchanges: 1, MaxInFlight: 1})
}

// wantNoReferrer follows a link from a page whose address has a query to another
// of the same server. Headless, Chromium asks for no icon by itself; what it
// sends along would be the same.
func wantNoReferrer(t *testing.T, tab *rig.Tab) {
	t.Helper()
	rig.Get(t, tab.Chrome, chromedp.Evaluate[any](`(() => {
		const link = document.createElement('a');
		link.href = '/elsewhere';
		document.body.append(link);
		link.click();
	})()`))
	tab.Await(t, "there is nothing here")
	if referrer := rig.Get(t, tab.Chrome, chromedp.Evaluate[string]("document.referrer")); referrer != "" {
		t.Errorf("a link from the callback's address tells %d bytes of it", len(referrer))
	}
}

// The server's words are shown as words: in the browser they are no markup, on
// the terminal they neither move the cursor nor turn the text around.
func hardHostileRefusal(t *testing.T, h hard) {
	const markup = `<script>document.title='pwned';console.log(1)</script><img src=x onerror="document.title='pwned'">`
	const noise = "\x1b]0;pwned\x07\x1b[31m\r\n\x00\u009b2J\u202e\u2066\u200b"
	const exitFailed = 1
	for _, c := range []struct {
		name, code, description, heading, shown string
		exit                                    int
	}{
		{"description", "access_denied", noise + markup + noise, "Access was not granted", markup, exitPersonCancel},
		{"code", markup + noise, "words" + noise, "The sign-in was refused", markup, exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			cli := rig.NewCLI(t, h.server.Issuer)
			term := cli.OnTerminal(t, "login", "--no-browser")
			tab := h.chrome.NewPerson(t)
			tab.Visit(t, forge(t, h, term.AwaitURL(t), url.Values{"error": {c.code}, "error_description": {c.description}}))
			text := tab.Await(t, c.heading)
			if exit := term.Wait(t); exit != c.exit {
				t.Errorf("login: exit %d, want %d", exit, c.exit)
			}
			if !strings.Contains(text, c.shown) {
				t.Errorf("the page does not show %q: %q", c.shown, text)
			}
			wantPlain(t, "the page", text)
			wantLegible(t, tab, "refused-"+c.name)
			wantNoScript(t, tab)
			screen := term.Screen()
			if !strings.Contains(screen, c.shown) {
				t.Errorf("the terminal does not show %q: %q", c.shown, screen)
			}
			wantPlain(t, "the terminal", strings.ReplaceAll(screen, "\r\n", "\n"))
			wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
		})
	}
	if n := h.server.Counters(t).TokenRequests; n != 0 {
		t.Errorf("%d token requests, want none", n)
	}
}

// wantNoScript fails if a script has run in the tab, has been kept from running,
// or has found anything of the page to be markup.
func wantNoScript(t *testing.T, tab *rig.Tab) {
	t.Helper()
	if title := rig.Get(t, tab.Chrome, chromedp.Title()); !strings.HasSuffix(title, " · codexauth") {
		t.Errorf("the page's title is %q", title)
	}
	if n := rig.Get(t, tab.Chrome, chromedp.Evaluate[int]("document.querySelectorAll('script, img, [onerror]').length")); n != 0 {
		t.Errorf("%d elements come from the server's words", n)
	}
	if said := tab.Console(t); len(said) > 0 {
		t.Errorf("the page said on its console: %q", said)
	}
	for _, requested := range tab.Requests() {
		u, err := url.Parse(requested)
		if err != nil || u.Path != "/auth/callback" && u.Path != "/auth/done" && u.Path != "/favicon.ico" {
			t.Errorf("the page requested %q", requested)
		}
	}
}

// wantPlain fails if text has anything but lines of printable characters.
func wantPlain(t *testing.T, where, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%s shows the character %U", where, r)
		}
	}
}

// A page of somebody else's that has its own name point here (DNS rebinding)
// gets nothing, not even with the right state, and changes nothing.
func hardOtherHost(t *testing.T, h hard) {
	cli := rig.NewCLI(t, h.server.Issuer)
	login := cli.StartLogin(t)
	tab := h.chrome.NewPerson(t)
	callback := forge(t, h, login.URL, url.Values{"code": {"stolen"}})
	for _, host := range []string{"evil.example", "evil.localhost"} {
		for _, address := range []string{callback, doneURL, "http://localhost:1455/favicon.ico"} {
			tab.Visit(t, strings.Replace(address, "//localhost:", "//"+host+":", 1))
			if text := tab.Await(t, "not a name of this sign-in"); strings.Contains(text, "accepted") {
				t.Errorf("%s was looked at: %q", host, text)
			}
			got := rig.Get(t, tab.Chrome, chromedp.Evaluate[int]("performance.getEntriesByType('navigation')[0].responseStatus"))
			if got != http.StatusMisdirectedRequest {
				t.Errorf("%s: answered %d, want %d", host, got, http.StatusMisdirectedRequest)
			}
		}
	}
	if n := h.server.Counters(t).TokenRequests; n != 0 {
		t.Fatalf("%d token requests, want none", n)
	}
	consent(t, tab, login.URL)
	tab.Await(t, "You are signed in")
	r := login.Wait(t)
	wantCode(t, "login", r, exitDone)
	if strings.Contains(r.Stderr, "still waiting") {
		t.Errorf("the person was bothered with it: %q", r.Stderr)
	}
	wantCounters(t, h.server, oidc.Counters{TokenRequests: 1, CodeExchanges: 1, MaxInFlight: 1})
}
