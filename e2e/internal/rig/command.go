package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// binaryVariable names the codexauth binary that the tests run.
const binaryVariable = "CODEXAUTH_E2E_BINARY"

// commandTimeout ends a command that hangs; none may take near that long.
const commandTimeout = 90 * time.Second

// Build builds codexauth into dir for the tests of this process, unless
// CODEXAUTH_E2E_BINARY names a binary already. It builds nothing, without an
// error, while there is no command to build.
func Build(dir string) error {
	if os.Getenv(binaryVariable) != "" {
		return nil
	}
	root := filepath.Dir(moduleDir())
	if _, err := os.Stat(filepath.Join(root, "cmd", "codexauth")); err != nil {
		return nil
	}
	binary := filepath.Join(dir, "codexauth")
	build := exec.Command("go", "build", "-o", binary, "./cmd/codexauth")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build codexauth: %w\n%s", err, out)
	}
	return os.Setenv(binaryVariable, binary)
}

// A CLI is the codexauth binary with a home directory of its own. Its methods
// may be called by several goroutines.
type CLI struct {
	Home string // CODEXAUTH_HOME

	binary string
	env    []string
}

// A Result is what a command left behind.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// NewCLI returns a codexauth with an empty home that uses issuer.
func NewCLI(t testing.TB, issuer string) *CLI {
	t.Helper()
	binary := os.Getenv(binaryVariable)
	if binary == "" {
		unavailable(t, "there is no ../cmd/codexauth to build and test")
	}
	home := filepath.Join(t.TempDir(), "home")
	return &CLI{
		Home:   home,
		binary: binary,
		env: []string{
			"PATH=" + os.Getenv("PATH"),
			"HOME=" + filepath.Dir(home),
			"TMPDIR=" + t.TempDir(),
			"CODEXAUTH_HOME=" + home,
			"CODEXAUTH_ISSUER=" + issuer,
			"NO_COLOR=1",
		},
	}
}

// Run runs a command to its end, with no terminal and nothing on its input.
func (c *CLI) Run(t testing.TB, args ...string) Result {
	t.Helper()
	r, err := c.Exec(args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Exec is Run for goroutines that must not end the test.
func (c *CLI) Exec(args ...string) (Result, error) {
	return toEnd(c.command(context.Background(), args...))
}

// toEnd runs a program to its end.
func toEnd(cmd *exec.Cmd) (Result, error) { return toEndWithin(cmd, commandTimeout) }

func toEndWithin(cmd *exec.Cmd, limit time.Duration) (Result, error) {
	running, err := program.Start(cmd, limit)
	if err != nil {
		return Result{}, err
	}
	end := running.End()
	r := Result{Stdout: end.Out, Stderr: end.Errs, Code: end.Code}
	if end.Hung {
		return r, fmt.Errorf("%s hung; so far it said %q", filepath.Base(cmd.Path), r.Stderr)
	}
	if end.Lingering {
		return r, fmt.Errorf("%s ended, and something that it started kept its output open", filepath.Base(cmd.Path))
	}
	return r, nil
}

// Start runs a command in the background, without looking at what it says, and
// returns its process; it ends with the test.
func (c *CLI) Start(t testing.TB, args ...string) *os.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	cmd := c.command(ctx, args...)
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	return cmd.Process
}

func (c *CLI) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Env = c.env
	cmd.WaitDelay = 5 * time.Second // a child that keeps the pipes open
	return cmd
}

// Stored is the secret part of what the file store holds.
type Stored struct {
	AccessToken  string
	RefreshToken string
	IDToken      string
}

// Stored looks for the credential in the files of the home directory. It knows
// no more of their format than that a record holds one JSON object.
func (c *CLI) Stored(t testing.TB) Stored {
	t.Helper()
	var found Stored
	err := filepath.WalkDir(c.Home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if start := bytes.IndexByte(content, '{'); start >= 0 {
			var object any
			if json.NewDecoder(bytes.NewReader(content[start:])).Decode(&object) == nil {
				found.collect(object)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func (s *Stored) collect(value any) {
	object, _ := value.(map[string]any)
	for name, member := range object {
		text, _ := member.(string)
		switch name {
		case "access_token":
			s.AccessToken = text
		case "refresh_token":
			s.RefreshToken = text
		case "id_token":
			s.IDToken = text
		default:
			s.collect(member)
		}
	}
}
