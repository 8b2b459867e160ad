package broker

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/promtext"
	"codexauth/sandbox"
)

// scrape reads the text format as strictly as promtool does, and returns the
// values by name and labels.
func scrape(t *testing.T, text string) map[string]float64 {
	t.Helper()
	m, err := promtext.Read(text)
	if err != nil {
		t.Error(err)
	}
	return m.Values
}

func TestMetrics(t *testing.T) {
	r := newRig(t, nil)
	r.addKey("unused", nil)
	r.addKey("ends", func(k *Key) { k.Expires = time.Unix(4102444800, 0) })
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
		`codexauth_login_state{profile="default",state="valid"}`:                   1,
		`codexauth_login_state{profile="default",state="refused"}`:                 0,
		`codexauth_store_readable{profile="default"}`:                              1,
		`codexauth_usage_ratio{profile="default",window="primary"}`:                0.125,
		`codexauth_refreshes_total{profile="default",outcome="refreshed"}`:         1,
		`codexauth_refreshes_total{profile="default",outcome="refused"}`:           0,
		`codexauth_first_byte_seconds_count{path="responses"}`:                     4,
		`codexauth_request_duration_seconds_count{path="models"}`:                  1,
		`codexauth_replay_bytes`:                                                   0,
	} {
		if id == `codexauth_received_bytes_total{client="key plain"}` {
			want += float64(stream)
		}
		if v, ok := got[id]; !ok || v != want {
			t.Errorf("%s is %v, want %v", id, v, want)
		}
	}
	now := float64(time.Now().Unix())
	if at := got[`codexauth_token_expiry_timestamp_seconds{profile="default"}`]; math.Abs(at-now-3600) > 300 {
		t.Errorf("the token expires at %v", at)
	}
	if at := got[`codexauth_last_refresh_timestamp_seconds{profile="default"}`]; math.Abs(at-now) > 300 {
		t.Errorf("it was refreshed at %v", at)
	}
	if at := got[`codexauth_key_expiry_timestamp_seconds{client="key ends"}`]; at != 4102444800 {
		t.Errorf("the key expires at %v", at)
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
	strange := func(i int) {
		r.ask("POST", "/v1/responses", fmt.Sprintf(`{"model":"m%d\"}\n","input":"x"}`, i))
	}
	r.ask("GET", "/v1/x", "")
	r.ask("M", "/v1/models", "")
	strange(0)
	before := lines()
	for i := range 50 {
		r.ask("GET", fmt.Sprintf("/v1/x%d", i), "")
		r.ask("GET", fmt.Sprintf("/v1/x%d", i), "", "Authorization", fmt.Sprint("Bearer x", i))
		r.ask(fmt.Sprint("M", i), "/v1/models", "")
		strange(i)
	}
	if after := lines(); after > before+3 {
		t.Errorf("from %d lines to %d", before, after)
	}
}

func TestMetricsOfALoginThatIsGone(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.manager.SignOut(t.Context(), false))
	_, text, _ := r.ask("GET", "/metrics", "")
	if got := scrape(t, text); got[`codexauth_login_state{profile="default",state="signed_out"}`] != 1 {
		t.Errorf("%s", text)
	}
	r = newRig(t, nil)
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "refuse", Arg: "refresh_token_reused"}))
	r.sandbox.ExpireAccessTokens()
	r.ask("POST", "/v1/responses", prompt)
	_, text, _ = r.ask("GET", "/metrics", "")
	if got := scrape(t, text); got[`codexauth_login_state{profile="default",state="refused"}`] != 1 {
		t.Errorf("%s", text)
	}
}

// Whoever has an answer finds it in the metrics.
func TestCountedBeforeItsEnd(t *testing.T) {
	r := newRig(t, nil)
	for n := range 100 {
		r.ask("GET", "/v1/models", "")
		_, text, _ := r.ask("GET", "/metrics", "")
		if got := scrape(t, text)[`codexauth_requests_total{client="key plain",path="models",code="2xx"}`]; got != float64(n+1) {
			t.Fatalf("%v of %d requests are counted", got, n+1)
		}
	}
}
