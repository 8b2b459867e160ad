package broker

import (
	"bufio"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"codexauth"
	"codexauth/sandbox"
)

// scrape reads the text format as strictly as promtool does, and returns the
// values by name and labels.
func scrape(t *testing.T, text string) map[string]float64 {
	t.Helper()
	line := regexp.MustCompile(`^([a-z_:][a-z0-9_:]*)(\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9.e+-]+|NaN|\+Inf)$`)
	values, helped, kinds := map[string]float64{}, map[string]bool{}, map[string]string{}
	family, done := "", map[string]bool{}
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line does not end")
	}
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(l, "# HELP "):
			f := strings.SplitN(l, " ", 4)
			if len(f) < 4 || helped[f[2]] {
				t.Errorf("HELP: %s", l)
			}
			helped[f[2]] = true
			done[family] = true
			family = f[2]
		case strings.HasPrefix(l, "# TYPE "):
			f := strings.Fields(l)
			if len(f) != 4 || !slices.Contains([]string{"counter", "gauge"}, f[3]) || !helped[f[2]] || kinds[f[2]] != "" || f[2] != family {
				t.Errorf("TYPE: %s", l)
			}
			kinds[f[2]] = f[3]
		default:
			m := line.FindStringSubmatch(l)
			if m == nil {
				t.Errorf("not a sample: %q", l)
				continue
			}
			if kinds[m[1]] == "" || m[1] != family || done[m[1]] {
				t.Errorf("a sample outside of its family: %s", l)
			}
			if (kinds[m[1]] == "counter") != strings.HasSuffix(m[1], "_total") {
				t.Errorf("%s is a %s", m[1], kinds[m[1]])
			}
			id := m[1] + m[2]
			if _, twice := values[id]; twice {
				t.Errorf("twice: %s", id)
			}
			v, err := strconv.ParseFloat(m[4], 64)
			if err != nil {
				t.Errorf("%s: %v", l, err)
			}
			values[id] = v
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	r := newRig(t, nil)
	r.addKey("unused", nil)
	for range 3 {
		r.ask("POST", "/v1/responses", prompt)
	}
	r.ask("GET", "/backend-api/codex/models", "")
	r.ask("GET", "/backend-api/codex/"+strings.Repeat("x", 30), "")
	r.ask("GET", "/v1/nothing", "")
	r.ask("POST", "/token", "")
	r.leaseToken("")
	for _, key := range []string{"wrong", "codexauth_AAAA"} {
		r.ask("GET", "/v1/"+key, "", "Authorization", "Bearer "+key)
	}
	r.sandbox.ExpireAccessTokens()
	r.ask("POST", "/v1/responses", prompt)
	stream, _ := r.streams()
	status, text, h := r.ask("GET", "/metrics", "")
	if status != 200 || h.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%d %v", status, h)
	}
	got := scrape(t, text)
	for id, want := range map[string]float64{
		`codexauth_requests_total{client="key plain",path="responses",code="2xx"}`: 4,
		`codexauth_requests_total{client="key plain",path="models",code="2xx"}`:    1,
		`codexauth_requests_total{client="key plain",path="other",code="4xx"}`:     2,
		`codexauth_requests_total{client="key plain",path="token",code="4xx"}`:     1,
		`codexauth_requests_total{client="key leaser",path="token",code="2xx"}`:    1,
		`codexauth_requests_total{client="unknown",path="other",code="4xx"}`:       2,
		`codexauth_refusals_total{code="unauthorized"}`:                            2,
		`codexauth_refusals_total{code="lease_refused"}`:                           1,
		`codexauth_streams_open{client="key plain"}`:                               2, // the scrape is one
		`codexauth_streams_open{client="key unused"}`:                              0,
		`codexauth_received_bytes_total{client="key plain"}`:                       float64(4 * len(prompt)),
		`codexauth_backend_unauthorized_total`:                                     1,
		`codexauth_recoveries_total`:                                               1,
		`codexauth_token_changes_total`:                                            1,
		`codexauth_login_state{state="valid"}`:                                     1,
		`codexauth_login_state{state="refused"}`:                                   0,
		`codexauth_store_readable`:                                                 1,
		`codexauth_replay_bytes`:                                                   0,
	} {
		if id == `codexauth_received_bytes_total{client="key plain"}` {
			want += float64(stream)
		}
		if v, ok := got[id]; !ok || v != want {
			t.Errorf("%s is %v, want %v", id, v, want)
		}
	}
	if left := got["codexauth_token_expires_seconds"]; left < 3000 || left > 3600 {
		t.Errorf("%v seconds are left", left)
	}
	if n := got[`codexauth_sent_bytes_total{client="key plain"}`]; n < 1000 {
		t.Errorf("%v bytes were sent", n)
	}
	for _, secret := range []string{r.key, r.lease, r.token(), "codexauth_AAAA", "wrong"} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics hold %.9s…", secret)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// streams holds a WebSocket open and returns how many bytes it sent.
func (r *rig) streams() (bytes int, closed func()) {
	r.Helper()
	conn, _, err := r.socket("/v1/responses", r.key)
	r.must(err)
	r.converse(conn)
	return len(create) + 6, func() { conn.CloseNow() }
}

// Whoever has no key is told nothing, and clients can't make lines.
func TestMetricsAreBounded(t *testing.T) {
	r := newRig(t, nil)
	for _, key := range []string{"", "wrong"} {
		if status, text, _ := r.ask("GET", "/metrics", "", "Authorization", key); status != 401 || strings.Contains(text, "codexauth_") {
			t.Errorf("%q: %d %s", key, status, text)
		}
	}
	lines := func() int {
		_, text, _ := r.ask("GET", "/metrics", "")
		return strings.Count(text, "\n")
	}
	lines()
	r.ask("GET", "/v1/x", "")
	before := lines()
	for i := range 50 {
		r.ask("GET", fmt.Sprintf("/v1/x%d", i), "")
		r.ask("GET", fmt.Sprintf("/v1/x%d", i), "", "Authorization", fmt.Sprint("Bearer x", i))
		r.ask(fmt.Sprint("M", i), "/v1/models", "")
	}
	if after := lines(); after > before+3 {
		t.Errorf("from %d lines to %d", before, after)
	}
}

func TestMetricsOfALoginThatIsGone(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.manager.SignOut(t.Context(), codexauth.SignOutOptions{}))
	_, text, _ := r.ask("GET", "/metrics", "")
	if got := scrape(t, text); got[`codexauth_login_state{state="signed_out"}`] != 1 {
		t.Errorf("%s", text)
	}
	r = newRig(t, nil)
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "refuse", Arg: "refresh_token_reused"}))
	r.sandbox.ExpireAccessTokens()
	r.ask("POST", "/v1/responses", prompt)
	_, text, _ = r.ask("GET", "/metrics", "")
	if got := scrape(t, text); got[`codexauth_login_state{state="refused"}`] != 1 {
		t.Errorf("%s", text)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	var b strings.Builder
	w := exposition{&b}
	w.one("a_total", "counter", "help", 1e15)
	w.family("b", "gauge", "help")
	w.line("b", -0.5, "x", "a\\b\"c\nd", "y", "z")
	if got := scrape(t, b.String()); len(got) != 2 || !strings.Contains(b.String(), `b{x="a\\b\"c\nd",y="z"} -0.5`) {
		t.Errorf("%s", b.String())
	}
	if _, err := bufio.NewReader(strings.NewReader(b.String())).ReadString('\n'); err != nil {
		t.Error(err)
	}
}
