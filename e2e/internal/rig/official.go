package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// An Official is the official Codex CLI with a home directory of its own. Its
// methods may be called by several goroutines.
type Official struct {
	Home string // CODEX_HOME

	script string
	env    []string
}

// NewOfficial returns the official CLI of npm's @openai/codex, not signed in. It
// wants a network of loopback only, since it asks for a good deal on its own.
func NewOfficial(t testing.TB) *Official {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		unavailable(t, "no node to run the official Codex CLI with: %v", err)
	}
	script := filepath.Join(moduleDir(), "codex", "node_modules", "@openai", "codex", "bin", "codex.js")
	if _, err := os.Stat(script); err != nil {
		unavailable(t, "the official Codex CLI is not installed; e2e/run.sh installs it (%v)", err)
	}
	if name := outside(); name != "" {
		unavailable(t, "the official Codex CLI is run without a network only, and %s is up; e2e/run.sh makes a namespace", name)
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "codex")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return &Official{Home: home, script: script, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "CODEX_HOME=" + home, "NO_COLOR=1",
	}}
}

// outside names an interface that leads out of this machine, if there is one.
func outside() string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			return i.Name
		}
	}
	return ""
}

// AuthFile is where it keeps its login.
func (o *Official) AuthFile() string { return filepath.Join(o.Home, "auth.json") }

// Env adds to the environment that CODEX_HOME is for.
func (o *Official) Env() string { return "CODEX_HOME=" + o.Home }

// Exec runs a command to its end, with nothing on its input.
func (o *Official) Exec(args ...string) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := o.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("codex %s: %w; it said %q", args[0], errors.Join(err, ctx.Err()), r.Stderr)
	}
	return r, nil
}

// Run is Exec for the goroutine of the test.
func (o *Official) Run(t testing.TB, args ...string) Result {
	t.Helper()
	r, err := o.Exec(args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (o *Official) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", append([]string{o.script}, args...)...)
	cmd.Dir, cmd.Env = o.Home, o.env
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// userCode is a device code as it is shown, on a line of its own.
var userCode = regexp.MustCompile(`(?m)^\s*([A-Z0-9]{4,5}-[A-Z0-9]{4,5})\s*$`)

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// SignIn signs in at a sandbox with a device code, which it approves.
func (o *Official) SignIn(t testing.TB, s *Sandbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := o.command(ctx, "login", "--device-auth", "--experimental_issuer", s.Issuer)
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); write.Close() }()
	var said strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		line := escapes.ReplaceAllString(lines.Text(), "")
		said.WriteString(line + "\n")
		if code := userCode.FindStringSubmatch(line); code != nil {
			s.Control(t, map[string]any{"device": map[string]any{"user_code": code[1], "approve": true}})
		}
	}
	if err := <-ended; err != nil {
		t.Fatalf("codex login: %v; it said %q", err, said.String())
	}
}

// Control posts to the sandbox's control endpoint and returns the tokens that it
// issued, if it was asked to.
func (s *Sandbox) Control(t testing.TB, body map[string]any) Issued {
	t.Helper()
	var state struct {
		Tokens Issued `json:"tokens"`
	}
	if err := program.Control(http.MethodPost, s.Issuer+"/sandbox/control", "X-Sandbox-Key", s.key, body, &state); err != nil {
		t.Fatalf("control of the sandbox: %v", err)
	}
	return state.Tokens
}

// Issued is a login that the sandbox made without anybody signing in.
type Issued struct {
	ID        string `json:"id_token"`
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	AccountID string `json:"account_id"`
}

// With returns a copy of c with more in its environment.
func (c *CLI) With(env ...string) *CLI {
	with := *c
	with.env = append(c.env[:len(c.env):len(c.env)], env...)
	return &with
}

// RunWithInput is Run with input to read.
func (c *CLI) RunWithInput(t testing.TB, input string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := c.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// KilledAt returns a copy of c whose commands kill themselves at a fault point,
// such as "login-saved=kill".
func (c *CLI) KilledAt(t testing.TB, point string) *CLI {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "codexauth")
	build := exec.Command("go", "build", "-tags", "faultpoints", "-o", binary, "./cmd/codexauth")
	build.Dir = filepath.Dir(moduleDir())
	if out, err := build.CombinedOutput(); err != nil {
		unavailable(t, "a codexauth with fault points can't be built: %v\n%s", err, out)
	}
	killed := c.With("CODEXAUTH_FAULTPOINT=" + point)
	killed.binary = binary
	return killed
}

// Installed returns a copy of c whose binary is where nobody else can write, as
// that of a tool that other programs are set up to run has to be.
func (c *CLI) Installed(t testing.TB) *CLI {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(cache, 0o700)
	}
	if err != nil {
		unavailable(t, "no place to install codexauth to: %v", err)
	}
	dir, err := os.MkdirTemp(cache, "codexauth-e2e-")
	if err != nil {
		unavailable(t, "no place to install codexauth to: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, err := os.ReadFile(c.binary)
	if err != nil {
		t.Fatal(err)
	}
	installed := *c
	installed.binary = filepath.Join(dir, "codexauth")
	if err := os.WriteFile(installed.binary, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	return &installed
}
