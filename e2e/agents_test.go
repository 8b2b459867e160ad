package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// An agent is a program that goes on by itself: what its model calls it runs, and
// what fails it repeats, for minutes. Each streams every answer.
type agent struct {
	name string
	tool string // a call, as its model makes one
	// patient: it waits for as long as Retry-After says.
	patient bool
	// start has it work on a prompt, in a way.
	start func(t *testing.T, w rig.Way) func(prompt string, more ...string) *rig.Job
	// path is where it asks, at the broker.
	path    string
	limit   string // what it says at a usage limit, if it gives up there
	refused string // what it says of a 401
	schema  bool   // it can be told the shape of its answer
}

var agents = []agent{
	{
		name: "opencode, responses", tool: `bash {"command":"echo>made","description":"make"}`, path: "/v1/responses", patient: true,
		refused: "codexauth login", start: opencode("responses"),
	},
	{
		name: "opencode, chat", tool: `bash {"command":"echo>made","description":"make"}`, path: "/v1/chat/completions", patient: true,
		refused: "codexauth login", start: opencode("chat"),
	},
	{name: "continue", tool: `Bash {"command":"echo>made"}`, path: "/v1/responses", refused: "codexauth login", start: continues},
	{
		name: "codex", tool: `exec_command {"cmd":"echo made"}`, path: "/backend-api/codex/responses",
		limit: "usage limit", refused: "401", schema: true, start: codexAgent,
	},
}

func opencode(api string) func(*testing.T, rig.Way) func(string, ...string) *rig.Job {
	return func(t *testing.T, w rig.Way) func(string, ...string) *rig.Job {
		a := rig.NewOpencode(t, api)
		return func(prompt string, _ ...string) *rig.Job { return rig.StartJob(t, a.Command(w, prompt)) }
	}
}

func continues(t *testing.T, w rig.Way) func(string, ...string) *rig.Job {
	a := rig.NewContinue(t)
	return func(prompt string, _ ...string) *rig.Job { return rig.StartJob(t, a.Command(w, prompt)) }
}

// codexAgent is the official CLI; where it has a key for a server, that is the
// provider in its configuration.
func codexAgent(t *testing.T, w rig.Way) func(string, ...string) *rig.Job {
	codex := rig.NewOfficial(t)
	if w.Name != "exec" {
		writeText(t, filepath.Join(codex.Home, "config.toml"), providerConfig(strings.TrimSuffix(w.BaseURL, "/v1")+"/backend-api/codex", ""))
	}
	path, env := codex.Tool()
	return func(prompt string, more ...string) *rig.Job {
		argv := append([]string{path, "exec", "--skip-git-repo-check"}, more...)
		return rig.StartJob(t, w.With(env...).Command(context.Background(), append(argv, prompt)...))
	}
}

// Agents of other makers and the official CLI, unmodified, through `exec` and
// through `serve`: an answer, a call with its continuation, and every way in which
// these go wrong.
func TestAgents(t *testing.T) {
	t.Parallel()
	for i := range agents {
		for _, way := range []string{"exec", "serve"} {
			t.Run(agents[i].name+" through "+way, func(t *testing.T) {
				t.Parallel()
				st := newStage(t, time.Hour)
				w := st.ways()[way](t)
				a := &agentRun{&agents[i], st, agents[i].start(t, w)}
				t.Run("plain", a.plain)
				t.Run("tool", a.usesTool)
				if a.schema {
					t.Run("structured", a.structured)
				}
				t.Run("troubled", a.troubled)
				if a.limit != "" {
					t.Run("limit", a.limited)
				}
				t.Run("401", a.unauthorized)
			})
		}
	}
}

// agentRun is an agent at work, in one way.
type agentRun struct {
	*agent
	st    *stage
	start func(prompt string, more ...string) *rig.Job
}

// asked returns the requests that came to the backend with tools: those without
// are for a title.
func (a *agentRun) asked() (all []*rig.Seen) {
	for _, r := range a.st.tap.Seen() {
		if r.Method == http.MethodPost && r.Path == "/responses" && strings.Contains(string(r.Body), `"tools":[`) {
			all = append(all, r)
		}
	}
	return all
}

func (a *agentRun) do(t *testing.T, prompt string, more ...string) rig.Result {
	t.Helper()
	a.st.tap.Forget()
	return a.start(prompt, more...).Wait(t)
}

// wantAnswer fails unless the last that it says is text. What was cut off may stand
// before that.
func wantAnswer(t *testing.T, r rig.Result, text string) {
	t.Helper()
	if said := strings.Trim(strings.TrimSpace(r.Stdout), `"`); r.Code != 0 || !strings.HasSuffix(said, text) {
		t.Errorf("exit %d; it answered %q and said %q", r.Code, r.Stdout, r.Stderr)
	}
}

func (a *agentRun) plain(t *testing.T) {
	r := a.do(t, "hello, how are you?")
	wantAnswer(t, r, "hello, how are you?")
	if n := len(a.asked()); n != 1 {
		t.Errorf("it asked %d times", n)
	}
	a.st.wantSigned(t)
}

func (a *agentRun) usesTool(t *testing.T) {
	r := a.do(t, "sandbox: tool "+a.tool+"; next; text It is warm.")
	wantAnswer(t, r, "It is warm.")
	asked := a.asked()
	if len(asked) != 2 {
		t.Fatalf("it asked %d times", len(asked))
	}
	if body := string(asked[1].Body); !strings.Contains(body, `"function_call_output"`) || !strings.Contains(body, `"function_call"`) {
		t.Errorf("it goes on without the call or its result")
	}
}

func (a *agentRun) structured(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "schema.json")
	writeText(t, schema, `{"type":"object","properties":{"city":{"type":"string"},"degrees":{"type":"number"}},"required":["city","degrees"],"additionalProperties":false}`)
	wantAnswer(t, a.do(t, "sandbox: json", "--output-schema", schema), `{"city":"text","degrees":1}`)
}

// troubled has the backend fail in one way after the other, each until the agent
// has met it. The agent asks again when it likes, and takes nothing of what it has
// for an answer. It is the agent that repeats, and it does not run hot.
func (a *agentRun) troubled(t *testing.T) {
	troubles := []string{"status 500 server_error", "text It is warm in Rome and; cut", "text It is warm in Rome and; end"}
	if a.limit == "" {
		troubles = append(troubles, "limit 4")
	}
	a.st.tap.Forget()
	var job *rig.Job
	var met time.Time
	for _, trouble := range troubles {
		a.st.sandbox.Control(t, map[string]any{"default_answer": trouble})
		since := time.Now()
		if job == nil {
			job = a.start("hello, how are you?")
		}
		var ok bool
		if met, ok = a.meets(job, since); !ok {
			t.Errorf("it gave up, or was content, before %q", trouble)
			break
		}
	}
	a.st.sandbox.Control(t, map[string]any{"default_answer": ""})
	wantAnswer(t, job.Wait(t), "hello, how are you?")
	asked := a.asked()
	if most := 3 * (len(troubles) + 1); len(asked) > most {
		t.Errorf("it asked %d times", len(asked))
	}
	if gap := asked[len(asked)-1].At.Sub(met); a.patient && gap < 4*time.Second {
		t.Errorf("it asked again after %v, and Retry-After said 4 s", gap)
	}
}

// meets waits for a request that came after since to be answered, and returns when
// it came. It returns false if the agent ends before.
func (a *agentRun) meets(job *rig.Job, since time.Time) (at time.Time, ok bool) {
	for ; ; time.Sleep(20 * time.Millisecond) {
		for _, r := range a.asked() {
			if r.At.After(since) && isClosed(r.Ended) {
				return r.At, true
			}
		}
		if isClosed(job.Over) {
			return at, false
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// limited is for an agent that gives up at once at a usage limit.
func (a *agentRun) limited(t *testing.T) {
	r := a.do(t, "sandbox: limit 7200")
	if n := len(a.asked()); r.Code == 0 || !strings.Contains(r.Stderr, a.limit) || n != 1 {
		t.Errorf("exit %d after %d requests; it said %q", r.Code, n, r.Stderr)
	}
}

func (a *agentRun) unauthorized(t *testing.T) {
	r := a.do(t, "sandbox: detail 401 Unauthorized")
	if r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, a.refused) {
		t.Errorf("exit %d; it answered %q and said %q", r.Code, r.Stdout, r.Stderr)
	}
}
