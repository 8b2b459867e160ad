package e2e

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"

	"github.com/chromedp/chromedp"
)

// What the forms of the foreign server are called.
const (
	emailField  = chromedp.CSS("#email")
	continueBtn = chromedp.CSS("#continue")
	allowBtn    = chromedp.CSS("#allow")
	denyBtn     = chromedp.CSS("#deny")
)

// A whole sign-in in Chromium, for both forms of the redirect URI.
func TestBrowserSignIn(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			s := rig.StartServer(t)
			cli := rig.NewCLI(t, s.Issuer)
			r, text := answerInBrowser(t, cli, s.Issuer, allowBtn, host)
			wantCode(t, "login", r, exitDone)
			if !strings.Contains(strings.ToLower(text), "signed in") {
				t.Errorf("the page does not say that the sign-in worked: %q", text)
			}
			token(t, cli)
			wantCounters(t, s, oidc.Counters{TokenRequests: 1, CodeExchanges: 1, MaxInFlight: 1})
		})
	}
}

// A person who refuses sees that in the browser, and the command ends with it.
func TestBrowserConsentRefused(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	r, text := answerInBrowser(t, cli, s.Issuer, denyBtn, "localhost")
	wantCode(t, "login", r, exitPersonCancel)
	if !saysRefused.MatchString(text) {
		t.Errorf("the page does not say that the request was refused: %q", text)
	}
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
}

// The project's own sandbox is as good a stand-in for a browser's sign-in, and
// its counters agree with what was done.
func TestBrowserSandbox(t *testing.T) {
	s := rig.StartSandbox(t)
	cli := rig.NewCLI(t, s.Issuer)
	r, _ := answerInBrowser(t, cli, s.Issuer, allowBtn, "localhost")
	wantCode(t, "login", r, exitDone)
	last := token(t, cli)
	for range 5 {
		wantCode(t, "refresh", cli.Run(t, "refresh"), exitDone)
		next := token(t, cli)
		if next == last {
			t.Fatal("a refresh gave the same access token")
		}
		last = next
	}
	wantCode(t, "logout", cli.Run(t, "logout"), exitDone)
	got := s.Counters(t)
	for name, want := range map[string]int{
		"code_exchanges": 1, "refreshes": 5, "reuses": 0, "token_requests": 6, "revocations": 1,
	} {
		if got[name] != want {
			t.Errorf("the sandbox counted %s = %d, want %d", name, got[name], want)
		}
	}
}

// answerInBrowser signs in with Chromium, presses button on the consent page,
// checks that nothing leaked, and returns what login came to and the text of
// the page that the person ends at.
func answerInBrowser(t *testing.T, cli *rig.CLI, issuer string, button chromedp.CSS, host string) (rig.Result, string) {
	t.Helper()
	chrome := rig.StartChrome(t)
	login := cli.StartLoginWithBrowser(t, "--redirect-host", host)
	chrome.Do(t,
		chromedp.Navigate(login.Opened),
		chromedp.Clear(emailField),
		chromedp.SendKeys(emailField, "ada@example.test"),
		chromedp.Click(continueBtn),
		chromedp.WaitVisible(button),
	)
	text := clickThrough(t, chrome, button, "http://"+host+":1455/")
	r := login.Wait(t)
	wantCleanBrowser(t, chrome, issuer, cli, login, host)
	return r, text
}

// clickThrough clicks the button that leads to codexauth's own page, waits for
// that page, and returns its text.
func clickThrough(t *testing.T, chrome *rig.Chrome, button chromedp.CSS, prefix string) string {
	t.Helper()
	chrome.Do(t, chromedp.Click(button))
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		at := rig.Get(t, chrome, chromedp.Location())
		if strings.HasPrefix(at, prefix) && rig.Get(t, chrome, chromedp.Evaluate[string]("document.readyState")) == "complete" {
			break
		}
		if time.Now().After(deadline) {
			u, _ := url.Parse(at)
			t.Fatalf("the browser never reached %s; it is at %s%s", prefix, u.Host, u.Path)
		}
	}
	time.Sleep(500 * time.Millisecond) // for what a browser asks by itself, such as an icon
	return rig.Get(t, chrome, chromedp.Text(chromedp.CSS("body")))
}

// wantCleanBrowser looks at all that the browser holds and has sent: no secret
// in the page, its address, its history, or a Referer, and no request to a
// third host.
func wantCleanBrowser(t *testing.T, chrome *rig.Chrome, issuerURL string, cli *rig.CLI, login *rig.Login, host string) {
	t.Helper()
	authorize, err := url.Parse(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := url.Parse(login.Opened)
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsOf(cli.Stored(t))
	secrets["state"] = authorize.Query().Get("state")
	own := host + ":1455"
	issuer := strings.TrimPrefix(issuerURL, "http://")
	callbacks := 0
	for _, requested := range chrome.Requests() {
		u, err := url.Parse(requested)
		if err != nil {
			t.Fatal(err)
		}
		if u.Host != own && u.Host != issuer && u.Host != opened.Host && u.Scheme != "data" {
			t.Errorf("a request to another host: %s", u.Host)
		}
		if u.Host == own && u.Path == "/auth/callback" && u.RawQuery != "" {
			callbacks++
			secrets["code"] = u.Query().Get("code")
		}
	}
	if callbacks != 1 {
		t.Errorf("the browser opened the callback %d times, want once", callbacks)
	}

	page := rig.Get(t, chrome, chromedp.OuterHTML(chromedp.CSS("html")))
	address := rig.Get(t, chrome, chromedp.Location())
	referrer := rig.Get(t, chrome, chromedp.Evaluate[string]("document.referrer"))
	if u, err := url.Parse(address); err != nil || u.RawQuery != "" || u.Fragment != "" {
		t.Errorf("the address of the page has a query or a fragment (%d bytes)", len(address))
	}
	wantNoSecret(t, "the page", page, secrets)
	wantNoSecret(t, "the page's address", address, secrets)
	wantNoSecret(t, "document.referrer", referrer, secrets)
	code := map[string]string{"code": secrets["code"]}
	for _, entry := range rig.Get(t, chrome, chromedp.NavigationEntries()).Entries {
		wantNoSecret(t, "the browser's history", entry.URL, code)
	}

	sent := chrome.Quit(t)
	if len(sent) == 0 {
		t.Error("Chromium's network log is empty")
	}
	for _, request := range sent {
		if request.Headers["Host"] == own {
			wantNoSecret(t, "a Referer to codexauth's own server", request.Headers["Referer"], secrets)
		}
		wantNoSecret(t, "a Referer", request.Headers["Referer"], code)
	}
}
