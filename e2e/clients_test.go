package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// A sdkClient is an SDK in its defaults, as the programs in sdk/ and gosdk/ use it.
type sdkClient struct {
	name    string
	apis    []string
	cases   []string // beside plain, stream, tool and struct
	models  bool
	command func(*testing.T) []string
	// limitOnce: after "x-should-retry: false" it asks no second time.
	limitOnce bool
}

var sdkClients = []sdkClient{
	{
		name: "openai", apis: []string{"chat", "responses"}, cases: []string{"helper", "toolstream"},
		models: true, limitOnce: true, command: nodeProgram("openai.mjs"),
	},
	{name: "aisdk", apis: []string{"responses", "chat", "compatible"}, cases: []string{"toolstream"}, command: nodeProgram("aisdk.mjs")},
	{name: "agents", apis: []string{"responses", "chat"}, cases: []string{"toolstream"}, limitOnce: true, command: nodeProgram("agents.mjs")},
	{name: "openai-go", apis: []string{"chat", "responses"}, models: true, limitOnce: true, command: goProgram("openai-go")},
	{name: "go-openai", apis: []string{"chat"}, models: true, limitOnce: true, command: goProgram("go-openai")},
}

func nodeProgram(name string) func(*testing.T) []string {
	return func(t *testing.T) []string { return rig.NodeProgram(t, name) }
}

func goProgram(name string) func(*testing.T) []string {
	return func(t *testing.T) []string { return []string{rig.GoProgram(t, t.TempDir()), name} }
}

// A clientRun is a client at work, in one way.
type clientRun struct {
	*sdkClient
	st   *stage
	talk *rig.Talk
}

// do has the client do a case and returns how often the backend was asked for it.
func (c *clientRun) do(t *testing.T, name, prompt string) (rig.Came, int) {
	t.Helper()
	c.st.tap.Forget()
	came := c.talk.Do(t, name, prompt)
	asked := 0
	for _, r := range c.st.tap.Seen() {
		if r.Path == "/responses" {
			asked++
		}
	}
	return came, asked
}

// Real SDKs of OpenAI's API, unmodified and in their defaults, through `exec` and
// through `serve`: answers, streams, calls of tools, structured output, and every
// way in which these go wrong.
func TestClients(t *testing.T) {
	t.Parallel()
	for i := range sdkClients {
		client := &sdkClients[i]
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			command := client.command(t)
			for _, way := range []string{"exec", "serve"} {
				t.Run(way, func(t *testing.T) {
					t.Parallel()
					st := newStage(t, time.Hour)
					w := st.ways()[way](t)
					c := &clientRun{client, st, nil}
					for _, api := range client.apis {
						c.talk = w.Talk(t, command...)
						c.answers(t, api)
						c.fails(t, api)
					}
					if client.models {
						c.lists(t)
					}
					if way == "serve" { // with exec, it has no other key
						c.talk = w.With("OPENAI_API_KEY=codexauth_unknown").Talk(t, command...)
						c.keyless(t)
					}
				})
			}
		})
	}
}

func (c *clientRun) lists(t *testing.T) {
	came, _ := c.do(t, "models", "")
	if came.Error != nil || !contains(came.Models, "gpt-5.5") || came.Text != came.Models[0] {
		t.Errorf("models: %+v", came)
	}
}

func (c *clientRun) answers(t *testing.T, api string) {
	for _, name := range append([]string{"plain", "stream", "tool", "struct"}, c.cases...) {
		t.Run(api+"-"+name, func(t *testing.T) { c.answer(t, api+"-"+name) })
	}
}

func (c *clientRun) answer(t *testing.T, name string) {
	switch {
	case strings.Contains(name, "-tool"):
		came, asked := c.do(t, name, `sandbox: tool get_weather {"city":"Rome"}; next; text It is warm.`)
		if came.Error != nil || came.Text != "It is warm." || len(came.Calls) != 1 || came.Calls[0] != `{"city":"Rome"}` || asked != 2 {
			t.Errorf("after %d requests: %+v %+v", asked, came, came.Error)
		}
	case strings.HasSuffix(name, "-struct"):
		came, asked := c.do(t, name, `sandbox: text {"city":"Rome","degrees":20}`)
		if came.Error != nil || came.Object["city"] != "Rome" || came.Object["degrees"] != 20.0 || asked != 1 {
			t.Errorf("after %d requests: %+v %+v", asked, came, came.Error)
		}
	default:
		came, asked := c.do(t, name, "hello, how are you?")
		if came.Error != nil || came.Text != "hello, how are you?" || asked != 1 {
			t.Errorf("after %d requests: %+v %+v", asked, came, came.Error)
		}
	}
}

// fails has the backend fail in each way. What a client repeats it waits for, so
// each way comes once, but for the answers that end too soon.
func (c *clientRun) fails(t *testing.T, api string) {
	const begun = "sandbox: text It is warm in Rome and; "
	for _, f := range []struct {
		name, mode, prompt, says string
		status                   int // 0: there is none to tell it by
		once                     bool
	}{
		{"limit", "stream", "sandbox: limit 7200", "It ends at ", http.StatusTooManyRequests, c.limitOnce},
		{"overloaded", "stream", "sandbox: error overloaded", "overloaded", http.StatusServiceUnavailable, false},
		{"broken", "plain", "sandbox: status 500 server_error", "", http.StatusInternalServerError, false},
		{"unauthorized", "plain", "sandbox: detail 401 Unauthorized", "codexauth login", http.StatusUnauthorized, false},
		{"cut", "plain", begun + "cut", "cut off", http.StatusBadGateway, false},
		{"cut", "stream", begun + "cut", "", 0, true},
		{"ended", "stream", begun + "end", "", 0, true},
		{"failed", "stream", begun + "fail overloaded", "", 0, true},
	} {
		name := api + "-" + f.mode
		t.Run(name+" "+f.name, func(t *testing.T) {
			came, asked := c.do(t, name, f.prompt)
			e := came.Error
			if e == nil {
				t.Fatalf("after %d requests it is taken for an answer: %+v", asked, came)
			}
			if f.status != 0 && e.Status != f.status || !strings.Contains(e.Message, f.says) || f.once && asked != 1 {
				t.Errorf("after %d requests it reports %+v", asked, *e)
			}
		})
	}
}

// keyless is with a key that the broker does not know.
func (c *clientRun) keyless(t *testing.T) {
	for _, api := range c.apis {
		came, asked := c.do(t, api+"-plain", "hello")
		if came.Error == nil || came.Error.Status != http.StatusUnauthorized || asked != 0 {
			t.Errorf("%s with an unknown key: %+v after %d requests at the backend", api, came.Error, asked)
		}
	}
}
