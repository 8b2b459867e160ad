package sandbox_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"codexauth/sandbox"
)

const prompt = `{"model":"gpt-sandbox","store":false,"stream":true,"include":["reasoning.encrypted_content"],"input":[
	{"type":"message","role":"user","content":"context"},
	{"type":"message","role":"user","content":[{"type":"input_text","text":"Grüße an alle, die dies lesen"}]},
	{"type":"message","role":"developer","content":"after"}]}`

func (r *rig) ask(tokens sandbox.Tokens, body string, headers ...string) reply {
	r.t.Helper()
	headers = append([]string{"Authorization", "Bearer " + tokens.AccessToken, "chatgpt-account-id", tokens.AccountID}, headers...)
	return r.do("POST", "/backend-api/codex/responses", "application/json", body, headers...)
}

// events are the data lines of a stream.
func events(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e map[string]any
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
	}
	return out
}

func TestResponsesEchoes(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	res := r.ask(r.Issue(sandbox.User{}), prompt).want(t, 200, "")
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type %q", ct)
	}
	if res.Header.Get("x-codex-primary-used-percent") == "" || res.Header.Get("x-codex-plan-type") != "plus" {
		t.Errorf("headers %v", res.Header)
	}
	list := events(t, res.text)
	var said string
	for i, e := range list {
		if e["sequence_number"] != float64(i) {
			t.Errorf("event %d has sequence number %v", i, e["sequence_number"])
		}
		if e["type"] == "response.output_text.delta" {
			said += e["delta"].(string)
		}
	}
	if said != "Grüße an alle, die dies lesen" {
		t.Errorf("echo %q", said)
	}
	if list[0]["type"] != "response.created" || list[1]["type"] != "codex.rate_limits" || list[len(list)-1]["type"] != "response.completed" {
		t.Errorf("events %v", list)
	}
	done := list[len(list)-1]["response"].(map[string]any)
	if done["status"] != "completed" || len(done["output"].([]any)) != 0 || done["usage"] == nil {
		t.Errorf("completed with %v", done)
	}
}

func TestBackendRefusesBearers(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	with := func(access, account string) reply {
		return r.ask(sandbox.Tokens{AccessToken: access, AccountID: account}, prompt)
	}
	r.do("POST", "/backend-api/codex/responses", "application/json", prompt).want(t, 401, "token_expired")
	with("unknown", tokens.AccountID).want(t, 401, "token_expired")
	with(tokens.RefreshToken, tokens.AccountID).want(t, 401, "token_expired")
	with(tokens.AccessToken, "").want(t, 401, "token_expired")
	with(tokens.AccessToken, "acc-other").want(t, 401, "token_expired")
	with(tokens.AccessToken, tokens.AccountID).want(t, 200, "")

	r.SetClockOffset(time.Hour)
	r.ask(tokens, prompt).want(t, 401, "token_expired")
	r.SetClockOffset(0)
	r.ExpireAccessTokens()
	r.ask(tokens, prompt).want(t, 401, "token_expired")
	fresh := r.Issue(sandbox.User{})
	r.ask(fresh, prompt).want(t, 200, "")
	r.RevokeFamily(fresh.RefreshToken)
	r.ask(fresh, prompt).want(t, 401, "token_expired")
	if c := r.Counters(); c.BackendRequests != 10 || c.BackendUnauthorized != 8 {
		t.Errorf("counters %+v", c)
	}
}

func TestExpiredTokenTTL(t *testing.T) {
	r := newRig(t, sandbox.Config{AccessTTL: -time.Minute})
	stale := r.Issue(sandbox.User{})
	r.ask(stale, prompt).want(t, 401, "token_expired")
	if exp := claims(t, stale.AccessToken)["exp"].(float64); int64(exp) > time.Now().Unix() || stale.ExpiresIn != 0 {
		t.Errorf("exp %v, expires_in %d", exp, stale.ExpiresIn)
	}
	r.SetAccessTTL(0)
	next := r.refresh(stale.RefreshToken).field(t, "access_token")
	r.ask(sandbox.Tokens{AccessToken: next, AccountID: stale.AccountID}, prompt).want(t, 200, "")
}

func TestFedRAMPHeader(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{FedRAMP: true})
	r.ask(tokens, prompt).want(t, 403, "fedramp_required")
	r.ask(tokens, prompt, "x-openai-fedramp", "true").want(t, 200, "")
}

func TestModelsUsageAndUpgrade(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	auth := []string{"Authorization", "Bearer " + tokens.AccessToken, "chatgpt-account-id", tokens.AccountID}
	models := r.get("/backend-api/codex/models?client_version=1", auth...).want(t, 200, "").fields(t)
	if models["object"] != "list" || len(models["data"].([]any)) != 9 || len(models["models"].([]any)) != 10 {
		t.Errorf("models %v", models)
	}
	usage := r.get("/backend-api/wham/usage", auth...).want(t, 200, "").fields(t)
	if usage["plan_type"] != "plus" || usage["rate_limit"].(map[string]any)["primary_window"] == nil || usage["credits"] == nil {
		t.Errorf("usage %v", usage)
	}
	upgrade := append(auth, "Upgrade", "websocket", "Connection", "Upgrade")
	r.get("/backend-api/codex/responses", upgrade...).want(t, 400, "invalid_request")
	r.faults("backend-no-websocket*1")
	r.get("/backend-api/codex/responses", upgrade...).want(t, 426, "upgrade_required")
	r.get("/backend-api/codex/responses", auth...).want(t, 405, "method_not_allowed")
	r.get("/backend-api/codex/models").want(t, 401, "token_expired")
	r.get("/backend-api/wham/usage").want(t, 401, "token_expired")
}

func TestBackendFaults(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	r.faults("backend-status=503*1", "backend-unauthorized*1", "backend-drop*1", "backend-no-content-type*1", "backend-latency=1ms*1")
	r.ask(tokens, prompt).want(t, 503, "sandbox_fault")
	r.ask(tokens, prompt).want(t, 401, "token_expired")
	if cut := r.ask(tokens, prompt); cut.err == nil || cut.Response == nil || len(events(t, cut.text)) != 1 {
		t.Errorf("a cut stream: %v, %q", cut.err, cut.text)
	}
	bare := r.ask(tokens, prompt).want(t, 200, "")
	if _, there := bare.Header["Content-Type"]; there || len(events(t, bare.text)) < 5 {
		t.Errorf("headers %v", bare.Header)
	}
	r.ask(tokens, prompt).want(t, 200, "")
	if c := r.Counters(); c.Faults != 5 || c.BackendUnauthorized != 1 || len(r.Faults()) != 0 {
		t.Errorf("counters %+v, left over %v", c, r.Faults())
	}
}

func TestBackendAcceptsOpaqueAndUndatedTokens(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	login := r.Issue(sandbox.User{})
	r.faults("opaque-access-token*1")
	first := r.refresh(login.RefreshToken)
	r.faults("no-exp*1")
	second := r.refresh(first.field(t, "refresh_token"))
	for _, res := range []reply{first, second} {
		r.ask(sandbox.Tokens{AccessToken: res.field(t, "access_token"), AccountID: login.AccountID}, prompt).want(t, http.StatusOK, "")
	}
}
