package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"

	"github.com/chromedp/chromedp"
)

// All that is secret about a sign-in, looked for in all that others may see of
// it: pages, addresses, the output with -v, and the list of processes.
func hardNothingLeaks(t *testing.T, h hard) {
	h.server.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 300, Count: 1}) // time to look around
	cli := rig.NewCLI(t, h.server.Issuer)
	commandLines := rig.WatchCommandLines(t)
	login := cli.StartLoginWithBrowser(t, "-v")
	tab := h.chrome.NewPerson(t)
	consent(t, tab, login.Opened)
	tab.Await(t, "You are signed in")
	r := login.Wait(t)
	wantCode(t, "login", r, exitDone)
	secrets := secretsOf(cli.Stored(t))
	refresh := cli.Run(t, "refresh", "-v")
	wantCode(t, "refresh", refresh, exitDone)
	lines := commandLines()
	for name, secret := range secretsOf(cli.Stored(t)) {
		secrets["second "+name] = secret
	}
	secrets["start link"] = login.Opened[strings.LastIndexByte(login.Opened, '/')+1:]
	request := query(t, login.URL)
	secrets["state"], secrets["challenge"] = request.Get("state"), request.Get("code_challenge")
	secrets["code"] = query(t, tab.AwaitRequest(t, callbackURL+"?")).Get("code")
	for name, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("there is no %s to look for", name)
		}
	}

	output := strings.ReplaceAll(r.Stdout+r.Stderr, login.URL, "")
	wantNoSecret(t, "the output", output+refresh.Stdout+refresh.Stderr, secrets)
	wantNoVerifier(t, "the output", output+refresh.Stdout+refresh.Stderr, secrets["challenge"])
	wantQuietCommandLines(t, lines, login.Opened, secrets)

	wantNoSecret(t, "the page", rig.Get(t, tab.Chrome, chromedp.OuterHTML(chromedp.CSS("html"))), secrets)
	wantNoSecret(t, "document.referrer", rig.Get(t, tab.Chrome, chromedp.Evaluate[string]("document.referrer")), secrets)
	for _, entry := range rig.Get(t, tab.Chrome, chromedp.NavigationEntries()).Entries {
		wantNoSecret(t, "the browser's history", entry.URL, without(secrets, "state", "challenge"))
	}
	requested := tab.Requests()
	back := slices.IndexFunc(requested, func(u string) bool { return strings.HasPrefix(u, callbackURL+"?") })
	if len(requested) == back+1 {
		t.Error("there was no request after the callback")
	}
	for i, address := range requested {
		wantNoVerifier(t, "a request's address", address, secrets["challenge"])
		switch {
		case i < back:
			wantNoSecret(t, "the address of a request before the callback", address, without(secrets, "state", "challenge", "start link"))
		case i > back:
			wantNoSecret(t, "the address of a request after the callback", address, secrets)
		}
	}
	wantLegible(t, tab, "signed-in")
}

// wantQuietCommandLines looks for secrets in command lines. That of the browser
// has the link that leads to the authorization server, and nothing besides.
func wantQuietCommandLines(t *testing.T, lines []string, opened string, secrets map[string]string) {
	t.Helper()
	wantNoSecret(t, "what the browser is given", opened, without(secrets, "start link"))
	found := false
	for _, line := range lines {
		found = found || strings.HasSuffix(line, "codexauth login -v")
		wantNoSecret(t, "a command line", strings.ReplaceAll(line, opened, ""), secrets)
		wantNoVerifier(t, "a command line", line, secrets["challenge"])
	}
	if !found {
		t.Errorf("of %d command lines none is that of the login: nobody looked", len(lines))
	}
}

var unreserved = regexp.MustCompile(`[A-Za-z0-9._~-]{43,}`)

// wantNoVerifier looks for the text whose hash is the challenge: nobody but the
// command and the token endpoint ever sees the verifier itself (RFC 7636 §4.2).
func wantNoVerifier(t *testing.T, where, text, challenge string) {
	t.Helper()
	if holdsVerifier(text, challenge) {
		t.Errorf("%s shows the code verifier", where)
	}
}

func holdsVerifier(text, challenge string) bool {
	for _, run := range unreserved.FindAllString(text, -1) {
		for start := range run {
			for end := start + 43; end <= min(len(run), start+128); end++ {
				sum := sha256.Sum256([]byte(run[start:end]))
				if base64.RawURLEncoding.EncodeToString(sum[:]) == challenge {
					return true
				}
			}
		}
	}
	return false
}

// That the search for a verifier finds one, so that it can fail.
func TestHardVerifierIsFound(t *testing.T) {
	verifier := strings.Repeat("aB3-_.~", 12) // 84 characters
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	for text, want := range map[string]bool{
		"code_verifier=" + verifier + "&x=1": true,
		"xyz" + verifier + "xyz":             true,
		verifier[1:]:                         false,
		"":                                   false,
	} {
		if got := holdsVerifier(text, challenge); got != want {
			t.Errorf("in %q: %v, want %v", text, got, want)
		}
	}
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("an address can't be parsed")
	}
	return u.Query()
}

func without(secrets map[string]string, names ...string) map[string]string {
	rest := maps.Clone(secrets)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}
