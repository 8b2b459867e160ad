package broker

import (
	"strings"
	"testing"
)

// What is left out is named to the client and in the audit log, which holds the
// tokens and the end, and never a word or a value.
func TestAuditOfAnswers(t *testing.T) {
	r := newRig(t, nil)
	_, _, h := r.ask("POST", chatPath, chatAsk("the secret question", `"temperature":0.25`, `"user":"private-person"`, `"my_own_field":"private-value"`))
	if got := h.Get("X-Codexauth-Dropped"); got != "temperature, user, my_own_field" {
		t.Errorf("dropped: %s", got)
	}
	r.ask("POST", chatPath, `{"model":"private-model and-more","messages":[{"role":"user","content":"x"}]}`)
	r.ask("POST", chatPath, `{"model":"gpt-5.5","messages":[],"n":3}`)
	r.ask("POST", responsesPath, responsesAsk("sandbox: text one; fail overloaded"))
	r.ask("GET", "/v1/models", "")
	_, text, _ := r.ask("GET", "/metrics", "")
	log := r.log.String()
	for _, want := range []string{
		"path=/v1/chat/completions status=200 ", " api=chat.completions model=gpt-5.5 ended=completed input=", ` dropped="temperature user my_own_field"`,
		" status=404 ", " api=chat.completions model=other ended=refused ", " api=responses model=gpt-5.5 ended=failed ",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	for _, secret := range []string{"secret question", "private", "0.25", r.key} {
		if strings.Contains(log, secret) || strings.Contains(text, secret) {
			t.Errorf("%q is in the log or the metrics", secret)
		}
	}
	got := scrape(t, text)
	for id, want := range map[string]float64{
		`codexauth_requests_total{client="key plain",path="chat",code="2xx"}`:               1,
		`codexauth_requests_total{client="key plain",path="chat",code="4xx"}`:               2,
		`codexauth_requests_total{client="key plain",path="models",code="2xx"}`:             1,
		`codexauth_answers_total{api="chat.completions",model="gpt-5.5",ended="completed"}`: 1,
		`codexauth_answers_total{api="chat.completions",model="other",ended="refused"}`:     2,
		`codexauth_answers_total{api="responses",model="gpt-5.5",ended="failed"}`:           1,
		`codexauth_request_bytes`: 0,
	} {
		if v, ok := got[id]; !ok || v != want {
			t.Errorf("%s is %v, want %v\n%s", id, v, want, text)
		}
	}
	if got[`codexauth_tokens_total{client="key plain",kind="input"}`] < 1 || got[`codexauth_tokens_total{client="key plain",kind="output"}`] < 1 {
		t.Errorf("tokens:\n%s", text)
	}
}
