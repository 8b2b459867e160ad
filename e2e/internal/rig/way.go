package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// A Way is one in which a tool comes to use a login: it says what the tool finds
// in its environment, and what stands before it on the command line.
type Way struct {
	Name string
	// BaseURL is what the tool finds as OPENAI_BASE_URL, if that is known beforehand.
	BaseURL string
	// Log is what the server has said so far; `exec` says it beside the tool.
	Log func() string

	before []string
	env    []string
}

// ThroughExec is the way of `codexauth exec -- TOOL`.
func (c *CLI) ThroughExec() Way {
	return Way{Name: "exec", before: []string{c.binary, "-v", "exec", "--"}, env: c.env}
}

// ThroughServe is the way of a tool that has a key for a server.
func (s *Serve) ThroughServe(name, key string, env ...string) Way {
	base := s.URL + "/v1"
	return Way{Name: name, BaseURL: base, Log: s.Log, env: append(env, "OPENAI_BASE_URL="+base, "OPENAI_API_KEY="+key)}
}

// Trusting is what makes Node, curl and the official CLI trust a certificate.
func (c Certificate) Trusting() []string {
	return []string{"NODE_EXTRA_CA_CERTS=" + c.CA, "CURL_CA_BUNDLE=" + c.CA, "SSL_CERT_FILE=" + c.CA}
}

// With returns a copy of w with more in the environment.
func (w Way) With(env ...string) Way {
	w.env = append(w.env[:len(w.env):len(w.env)], env...)
	return w
}

// Command is a tool that goes this way.
func (w Way) Command(ctx context.Context, tool ...string) *exec.Cmd {
	argv := append(w.before[:len(w.before):len(w.before)], tool...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, w.env...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run runs a tool to its end, with nothing on its input.
func (w Way) Run(t testing.TB, tool ...string) Result {
	t.Helper()
	r, err := toEnd(w.Command(context.Background(), tool...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A Talk is a tool that is spoken to line by line.
type Talk struct {
	PID int

	process *os.Process
	stdin   io.WriteCloser
	lines   chan string
	stderr  *program.Text
	done    chan Result
}

// Talk starts a tool; it ends with the test.
func (w Way) Talk(t testing.TB, tool ...string) *Talk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	cmd := w.Command(ctx, tool...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // which `exec` passes on
	talk := &Talk{lines: make(chan string, 10_000), stderr: &program.Text{}, done: make(chan Result, 1)}
	cmd.Stderr = talk.stderr
	stdin, err := cmd.StdinPipe()
	if err == nil {
		talk.stdin = stdin
		var stdout io.ReadCloser
		if stdout, err = cmd.StdoutPipe(); err == nil {
			if err = cmd.Start(); err == nil {
				go talk.read(cmd, stdout)
			}
		}
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	talk.PID, talk.process = cmd.Process.Pid, cmd.Process
	t.Cleanup(func() {
		stdin.Close()
		cancel()
		for range talk.lines {
		}
	})
	return talk
}

func (talk *Talk) read(cmd *exec.Cmd, stdout io.Reader) {
	defer close(talk.lines)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		talk.lines <- lines.Text()
	}
	cmd.Wait()
	talk.done <- Result{Stderr: talk.stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Say sends a line to the tool.
func (talk *Talk) Say(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(talk.stdin, line+"\n"); err != nil {
		t.Fatalf("the tool listens no more: %v; it said %q", err, talk.stderr)
	}
}

// Hear waits for the tool's next line.
func (talk *Talk) Hear(t testing.TB) string {
	t.Helper()
	select {
	case line, ok := <-talk.lines:
		if !ok {
			t.Fatalf("the tool has ended; it said %q", talk.stderr)
		}
		return line
	case <-time.After(program.Patience):
		t.Fatalf("the tool says nothing; on standard error it said %q", talk.stderr)
		return ""
	}
}

// Quiet reports whether the tool has nothing to say for that long.
func (talk *Talk) Quiet(d time.Duration) bool {
	select {
	case <-talk.lines:
		return false
	case <-time.After(d):
		return true
	}
}

// Close ends the tool's input and returns what it came to.
func (talk *Talk) Close(t testing.TB) Result {
	t.Helper()
	talk.stdin.Close()
	for range talk.lines {
	}
	return <-talk.done
}

// Stderr is what the tool has said beside its answers.
func (talk *Talk) Stderr() string { return talk.stderr.String() }

// NodeSDK is a command that uses the OpenAI SDK for Node; sdk/tool.mjs says how.
func NodeSDK(t testing.TB, args ...string) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		unavailable(t, "no node to run the OpenAI SDK with: %v", err)
	}
	dir := filepath.Join(moduleDir(), "sdk")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openai")); err != nil {
		unavailable(t, "the OpenAI SDK for Node is not installed; e2e/run.sh installs it (%v)", err)
	}
	return append([]string{node, filepath.Join(dir, "tool.mjs")}, args...)
}

// Said is a line of sdk/tool.mjs.
type Said struct {
	Event, Said, ID string
	Models          []string
	Aborted, Stream bool
	Error           *SDKError
}

// SDKError is an error as the OpenAI SDK for Node understands it.
type SDKError struct {
	Class, Code, Type, Param, Message string
	Status                            int
}

// ParseSaid reads a line of sdk/tool.mjs.
func ParseSaid(t testing.TB, line string) Said {
	t.Helper()
	var said Said
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		t.Fatalf("the SDK's program printed no JSON: %q", line)
	}
	return said
}

// Curl looks for curl.
func Curl(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		unavailable(t, "curl is not installed: %v", err)
	}
	return path
}

// Tool is the official CLI as a command by its own name, and its environment.
func (o *Official) Tool() (path string, env []string) {
	return filepath.Join(moduleDir(), "codex", "node_modules", ".bin", "codex"), o.env
}

// HoldsAny reports whether text has one of these in it.
func HoldsAny(text string, secrets ...string) bool {
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

// Interrupt sends the tool what Ctrl-C does.
func (talk *Talk) Interrupt(t testing.TB) {
	t.Helper()
	if err := talk.process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}
