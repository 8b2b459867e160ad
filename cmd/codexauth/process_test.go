//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// running is a command that has been started.
type running struct {
	cmd    *exec.Cmd
	stderr *bufio.Reader
	said   strings.Builder
}

func (b *box) start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: b.command(args...)}
	r.begin(t)
	return r
}

func (r *running) begin(t *testing.T) {
	t.Helper()
	pipe, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stderr = bufio.NewReader(pipe)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill() }) // an error: it has ended
}

// await reads standard error up to a line that has text.
func (r *running) await(t *testing.T, text string) string {
	t.Helper()
	for {
		line, err := r.stderr.ReadString('\n')
		r.said.WriteString(line)
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
		if err != nil {
			t.Fatalf("it ended without saying %q; it said %q", text, r.said.String())
		}
	}
}

func (r *running) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end waits for the command's end.
func (r *running) end(t *testing.T) result {
	t.Helper()
	rest, _ := io.ReadAll(r.stderr)
	r.said.Write(rest)
	_ = r.cmd.Wait() // the exit code tells
	return result{code: r.cmd.ProcessState.ExitCode(), stderr: r.said.String()}
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// A signal in the middle of a refresh ends the command at once, and the refresh
// finishes and is saved.
func TestSignalDuringRefresh(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			b := newExpired(t)
			b.setFaults(t, "latency-after=500ms") // the token is spent first
			r := b.start(t, "token")
			eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
			r.signal(t, s)
			wantFailure(t, r.end(t), verdict.Cancelled, "stopped by a signal")
			b.server.ClearFaults()

			wantToken(t, b.run(t, "token"))
			if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
				t.Errorf("counters %+v, want one token request: what it brought was saved", c)
			}
		})
	}
}

// What a script runs in the background is told to ignore Ctrl-C, and what nohup(1)
// runs the end of the terminal: neither ends a command then, nor what it runs.
func TestIgnoredSignals(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	const ignoring = `trap "" INT HUP; exec "$@"`
	for name, tt := range map[string]struct {
		args  []string
		shows string
		code  int // after SIGTERM
	}{
		"login": {[]string{"login", "--no-browser", "--force"}, "Waiting for you to sign in", verdict.Cancelled},
		"exec":  {[]string{"exec", "--", "sh", "-c", `sleep 60 & trap "kill $!; exit 7" TERM; echo ready >&2; wait`}, "ready", 7},
		"serve": {[]string{"serve", "--listen", "127.0.0.1:0"}, "serving on", verdict.Done},
	} {
		t.Run(name, func(t *testing.T) {
			r := &running{cmd: b.command(tt.args...)}
			r.cmd.Args = append([]string{"sh", "-c", ignoring, "sh", r.cmd.Path}, tt.args...)
			sh, err := exec.LookPath("sh")
			if err != nil {
				t.Fatal(err)
			}
			r.cmd.Path = sh
			r.begin(t)
			r.await(t, tt.shows)
			for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
				r.signal(t, s)
			}
			if runtime.GOOS == "linux" { // else it may have heeded them in a moment
				for _, bit := range []uint{uint(syscall.SIGINT), uint(syscall.SIGHUP)} {
					if ignored := ignoredBy(t, r.cmd.Process.Pid); ignored&(1<<(bit-1)) == 0 {
						t.Errorf("signal %d is heeded", bit)
					}
				}
			}
			r.signal(t, syscall.SIGTERM)
			if ended := r.end(t); ended.code != tt.code {
				t.Errorf("exit %d, want %d; it said %q", ended.code, tt.code, ended.stderr)
			}
		})
	}
}

// ignoredBy is the set of signals that a process ignores.
func ignoredBy(t *testing.T, pid int) (set uint64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "SigIgn:")
	if _, err := fmt.Sscanf(line, "%x", &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// Not even SIGKILL of the command that the person started costs the login.
func TestKillDuringRefresh(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency-after=300ms")
	r := b.start(t, "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	r.signal(t, syscall.SIGKILL)
	r.end(t)
	wantToken(t, b.run(t, "token"))
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("counters %+v, want one token request", c)
	}
}

// A reader that has gone is an error, and no reason to lose a refresh.
func TestClosedStdout(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"valid": time.Hour, "expired": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, sandbox.Config{AccessTTL: ttl})
			b.signIn(t, "default")
			b.server.SetAccessTTL(time.Hour)
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			read.Close()
			cmd := b.command("token")
			cmd.Stdout = write
			r := finish(cmd)
			write.Close()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			// With nothing at stake the system ends it, as it ends any filter.
			if r.code != verdict.Failed && status.Signal() != syscall.SIGPIPE {
				t.Errorf("exit %d, want %d or SIGPIPE; it said %q", r.code, verdict.Failed, r.stderr)
			}
			if ttl < 0 {
				wantFailure(t, r, verdict.Failed, "standard output")
			}
			wantToken(t, b.run(t, "token"))
			if c := b.server.Counters(); ttl < 0 && c.Refreshes != 1 {
				t.Errorf("%d refreshes, want 1: what it brought was saved", c.Refreshes)
			}
		})
	}
}

// Ctrl-C during a sign-in: exit 6, and nothing has changed.
func TestLoginInterrupted(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	before := b.stored(t)
	r := b.start(t, "login", "--no-browser", "--force")
	r.await(t, "Waiting for you to sign in")
	r.signal(t, os.Interrupt)
	ended := r.end(t)
	if ended.code != verdict.Cancelled || !strings.Contains(ended.stderr, "stopped by a signal") {
		t.Errorf("exit %d, want %d; it said %q", ended.code, verdict.Cancelled, ended.stderr)
	}
	if b.stored(t) != before {
		t.Error("an interrupted sign-in changed the store")
	}
}

// One sign-in of a profile waits at a time; the next is told which one.
func TestSecondLogin(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	first := b.start(t, "login", "--no-browser")
	address := first.await(t, "code_challenge=")
	first.await(t, "Waiting")
	r := b.run(t, "login", "--no-browser")
	wantFailure(t, r, verdict.TryLater, "another sign-in for this profile is waiting (process ")

	other := b.start(t, "--profile", "work", "login", "--no-browser")
	other.await(t, "Waiting") // of another profile, it may wait beside it
	other.signal(t, os.Interrupt)
	other.end(t)

	// The first is not disturbed. The server approves by itself.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := follow(ctx, address); err != nil {
		t.Fatal(err)
	}
	if ended := first.end(t); ended.code != verdict.Done {
		t.Errorf("exit %d; it said %q", ended.code, ended.stderr)
	}
	wantToken(t, b.run(t, "token"))
}

// The sandbox runs until it is told to stop, and then says what it has seen.
func TestSandboxCommand(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		b := &box{env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), raceEnv}}
		cmd := b.command("sandbox", "--json", "--port", "0", "--seed", "7", "--fault", "html*1", "--latency", "1ms")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		var ready struct{ Issuer, Backend, Control, Control_Key string }
		if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
			t.Fatal(err)
		}
		if ready.Backend != ready.Issuer+"/backend-api/codex" {
			t.Errorf("backend %q of issuer %q", ready.Backend, ready.Issuer)
		}
		wantControl(t, ready.Control, ready.Control_Key)
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v; it said %q", s, err, stderr.String())
		}
		if !strings.Contains(stderr.String(), "The sandbox has seen:\n  no request at all\n") {
			t.Errorf("it said %q", stderr.String())
		}
	}
}

// wantControl asks the control endpoint for the faults that the flags named.
func wantControl(t *testing.T, control, key string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, control, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Sandbox-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var state struct{ Faults []string }
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(state.Faults, " "); got != "latency=1ms html*1" {
		t.Errorf("faults %q", got)
	}
}
