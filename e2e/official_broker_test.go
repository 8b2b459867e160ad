package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// throughBroker sets an official CLI up to use a server: a provider with env_key,
// and with more settings.
func throughBroker(t *testing.T, codex *rig.Official, w rig.Way, server *rig.Serve, more string) func(prompt string) rig.Result {
	t.Helper()
	writeText(t, filepath.Join(codex.Home, "config.toml"), providerConfig(server.URL+"/backend-api/codex", more))
	path, env := codex.Tool()
	return func(prompt string) rig.Result {
		return w.With(env...).Run(t, path, "exec", "--skip-git-repo-check", prompt)
	}
}

// providerConfig makes a server the provider of an official CLI.
func providerConfig(base, more string) string {
	return fmt.Sprintf("model_provider = \"broker\"\n[model_providers.broker]\nname = \"broker\"\nbase_url = %q\nwire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n%s", base, more)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// official returns what runs the official CLI on a prompt, in the way of that name.
func official(t *testing.T, st *stage, name string) func(prompt string) rig.Result {
	t.Helper()
	codex := rig.NewOfficial(t)
	path, env := codex.Tool()
	if name == "exec" {
		w := st.cli.ThroughExec().With(env...)
		return func(prompt string) rig.Result { return w.Run(t, path, "exec", "--skip-git-repo-check", prompt) }
	}
	var flags, trusting []string
	if name == "serve with TLS" {
		cert := rig.NewCertificate(t)
		flags, trusting = cert.Flags(), cert.Trusting()
	}
	key := st.cli.AddKey(t, "codex")
	server := st.cli.StartServe(t, append(flags, "--listen", "127.0.0.1:0")...)
	return throughBroker(t, codex, server.ThroughServe(name, key, trusting...), server, "")
}

// The official CLI, unmodified, through a broker: with an expired login to begin
// with, and with a token that the backend refuses before its time. It notices
// neither, and what it sends is what the backend takes.
func TestOfficialThroughBroker(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"exec", "serve", "serve with TLS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, -time.Hour)
			run := official(t, st, name)
			wantEcho(t, run("hello"), "hello")
			st.wantRefreshes(t, 1)
			first := st.cli.Stored(t).AccessToken
			st.wantSigned(t, first)
			for _, r := range st.tap.Seen() {
				if r.Method == "POST" && r.Path == "/responses" {
					wantBackendsBody(t, r.Body)
				}
			}
			st.sandbox.Control(t, map[string]any{"expire_access": true})
			wantEcho(t, run("after a 401"), "after a 401")
			st.wantRefreshes(t, 2)
			if c := st.sandbox.Counters(t); c["backend_unauthorized"] != 1 {
				t.Errorf("%d answers of 401, want one", c["backend_unauthorized"])
			}
			st.wantSigned(t, first, st.cli.Stored(t).AccessToken)
		})
	}
}

func wantEcho(t *testing.T, r rig.Result, prompt string) {
	t.Helper()
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != prompt {
		t.Fatalf("codex: exit %d; it answered %q and said %q", r.Code, r.Stdout, r.Stderr)
	}
}

// wantBackendsBody fails unless a body has what the backend insists on, and
// nothing of what it refuses.
func wantBackendsBody(t *testing.T, text []byte) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		t.Errorf("the body is no JSON object: %v", err)
		return
	}
	if _, list := body["input"].([]any); !list || body["store"] != false || body["stream"] != true || body["model"] == "" {
		t.Errorf("input is a list: %v; store %v, stream %v, model %v", list, body["store"], body["stream"], body["model"])
	}
	for _, refused := range []string{"max_output_tokens", "max_completion_tokens", "safety_identifier", "prompt_cache_retention", "previous_response_id"} {
		if _, sent := body[refused]; sent {
			t.Errorf("it sends %s, which the backend refuses", refused)
		}
	}
}

var auditLine = regexp.MustCompile(`^time=(\S+) .* method=(\S+) path=(\S+) status=(\d+) `)

// An official CLI that is told that its provider speaks WebSocket tries that
// first. Where the backend does not, it is answered with the one status that
// makes it fall back at once: after another one it tries for seven seconds.
func TestOfficialFallsBackFromWebSocket(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	st.tap.HTTPOnly()
	key := st.cli.AddKey(t, "codex")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
	run := throughBroker(t, rig.NewOfficial(t), server.ThroughServe("", key), server, "supports_websockets = true\n")
	wantEcho(t, run("hello"), "hello")
	var upgrade, post time.Time
	upgrades := 0
	for _, line := range server.Lines() {
		m := auditLine.FindStringSubmatch(line)
		if m == nil || m[3] != "/backend-api/codex/responses" {
			continue
		}
		at, err := time.Parse(time.RFC3339, m[1])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m[2] == "GET" && m[4] == "426":
			upgrade = at
			upgrades++
		case m[2] == "POST" && m[4] == "200" && post.IsZero():
			post = at
		}
	}
	if upgrades != 1 || post.IsZero() || post.Sub(upgrade) > 7*time.Second {
		t.Errorf("%d upgrades were turned down, and the request came %v later; want one, and at once", upgrades, post.Sub(upgrade))
	}
	t.Logf("from the 426 to the end of the answer over HTTP: %v", post.Sub(upgrade))
}

// Where the backend speaks WebSocket, the official CLI gets its answer, over
// that or over HTTP, with what the login has become meanwhile.
func TestOfficialOverWebSocket(t *testing.T) {
	t.Parallel()
	st := newStage(t, -time.Hour)
	key := st.cli.AddKey(t, "codex")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
	run := throughBroker(t, rig.NewOfficial(t), server.ThroughServe("", key), server, "supports_websockets = true\n")
	wantEcho(t, run("hello"), "hello")
	st.wantSigned(t, st.cli.Stored(t).AccessToken)
	st.sandbox.Control(t, map[string]any{"expire_access": true})
	wantEcho(t, run("after a 401"), "after a 401")
	st.wantRefreshes(t, 2)
	for _, line := range server.Lines() {
		t.Log(line)
	}
}

// What the official CLI says where the broker refuses it: our words. It asks six
// times within some seconds, as it does after any 401, and then no more.
func TestOfficialIsRefused(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	key := st.cli.AddKey(t, "codex")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
	wantCode(t, "serve key revoke", st.cli.Run(t, "serve", "key", "revoke", "codex"), exitDone)
	run := throughBroker(t, rig.NewOfficial(t), server.ThroughServe("", key), server, "")
	await(t, "the key to be known as revoked", func() bool {
		refusal := sdk(t, server.ThroughServe("", key), "models").Error
		return refusal != nil && refusal.Status == http.StatusUnauthorized
	})
	before, seen := len(server.Lines()), len(st.tap.Seen()) // until then a request may have passed
	r := run("hello")
	if r.Code == 0 || !strings.Contains(r.Stderr, "codexauth: this broker does not know the key") {
		t.Errorf("codex: exit %d; it said %q", r.Code, r.Stderr)
	}
	if rig.HoldsAny(r.Stdout+r.Stderr, key) {
		t.Error("codex shows the key")
	}
	if n := len(server.Lines()) - before; n > 6 {
		t.Errorf("codex asked %d times", n)
	}
	if n := len(st.tap.Seen()) - seen; n != 0 {
		t.Errorf("%d requests came to the backend", n)
	}
}

// An official CLI that is set up to run codexauth for its token works through exec,
// too: what exec adds to its settings is no part of what setup put there.
func TestOfficialSetUpAndThroughExec(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	codex, cli := setUp(t, s, time.Hour)
	path, env := codex.Tool()
	wantEcho(t, cli.ThroughExec().With(env...).Run(t, path, "exec", "--skip-git-repo-check", "hello"), "hello")
}
