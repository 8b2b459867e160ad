package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/settingup"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// setup runs `codexauth setup codex` in this process, as if the binary were
// installed at /opt/bin/codexauth.
func (b *box) setup(t *testing.T, args ...string) result {
	t.Helper()
	return b.setupOf(t, append([]string{"codex"}, args...)...)
}

func (b *box) setupOf(t *testing.T, args ...string) result {
	t.Helper()
	for _, pair := range b.env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	r := result{code: installedSetup(t.Context(), out, errs, args)}
	r.stdout, r.stderr = contentOf(t, out.Name()), contentOf(t, errs.Name())
	return r
}

// installedSetup runs "setup" as a command that is installed does, and returns its exit
// code.
func installedSetup(ctx context.Context, stdout, stderr *os.File, args []string) int {
	r := &run.Run{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: stdout, Stderr: stderr}, HeedSignals: func() {}}
	root := &cobra.Command{Use: "codexauth", SilenceErrors: true, SilenceUsage: true}
	r.DefineGlobals(root.PersistentFlags())
	root.AddCommand(settingup.Command(r, func() (string, error) { return "/opt/bin/codexauth", nil }))
	root.SetArgs(append([]string{"setup"}, args...))
	if err := root.ExecuteContext(ctx); err != nil {
		return r.Report(ctx, err)
	}
	return 0
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// settings is the provider in a config.toml.
type settings struct {
	Chosen    string `toml:"model_provider"`
	Providers map[string]struct {
		BaseURL string `toml:"base_url"`
		WireAPI string `toml:"wire_api"`
		Auth    struct {
			Command string   `toml:"command"`
			Args    []string `toml:"args"`
		} `toml:"auth"`
		Headers map[string]string `toml:"http_headers"`
	} `toml:"model_providers"`
}

func settingsIn(t *testing.T, text string) settings {
	t.Helper()
	var s settings
	if err := toml.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return s
}

func TestSetupCodex(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	home := filepath.Join(t.TempDir(), "codex")
	b.env = append(b.env, "CODEX_HOME="+home)
	wantFailure(t, b.setup(t), verdict.SignedOut, "not signed in")
	b.signIn(t, "default")

	r := b.setup(t, "--print")
	s := settingsIn(t, r.stdout)
	provider := s.Providers["codexauth"]
	args := strings.Join(provider.Auth.Args, " ")
	if s.Chosen != "codexauth" || provider.BaseURL != b.server.BackendURL() || provider.WireAPI != "responses" ||
		provider.Auth.Command != "/opt/bin/codexauth" || len(provider.Headers["ChatGPT-Account-ID"]) != 36 {
		t.Errorf("printed %q", r.stdout)
	}
	if want := "--profile default --store file:" + b.home + " --issuer " + b.server.URL() + " token --min-valid 10m --repeat-means-refused"; args != want {
		t.Errorf("the arguments are %q, want %q", args, want)
	}
	if _, err := os.Stat(home); !os.IsNotExist(err) {
		t.Error("--print made something")
	}

	if r := b.setup(t); r.code != 0 || strings.Contains(r.stderr, "backup") {
		t.Fatalf("exit %d: %q", r.code, r.stderr)
	}
	config := filepath.Join(home, "config.toml")
	once := contentOf(t, config)
	if r := b.setup(t, "--json"); r.code != 0 || !strings.Contains(r.stdout, `"changed":false,"backup":null`) || contentOf(t, config) != once {
		t.Errorf("a second time: exit %d, %q", r.code, r.stdout)
	}
	// Another profile takes its place.
	b.signIn(t, "work")
	if r := b.setup(t, "--profile", "work", "--base-url", "https://backend.example/x/"); r.code != 0 || !strings.Contains(r.stderr, "codexauth-backup-") {
		t.Fatalf("exit %d: %q", r.code, r.stderr)
	}
	provider = settingsIn(t, contentOf(t, config)).Providers["codexauth"]
	if provider.Auth.Args[0] != "--profile" || provider.Auth.Args[1] != "work" || provider.BaseURL != "https://backend.example/x" {
		t.Errorf("set up as %+v", provider)
	}
	if r := b.setup(t, "--undo"); r.code != 0 {
		t.Fatalf("exit %d: %q", r.code, r.stderr)
	}
	if _, err := os.Stat(config); !os.IsNotExist(err) {
		t.Error("a file that was not there before is left")
	}
}

func TestSetupCodexRefuses(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	home := t.TempDir()
	b.env = append(b.env, "CODEX_HOME="+home)
	b.signIn(t, "default")
	wantFailure(t, b.setup(t, "--base-url", "http://backend.example"), verdict.Usage, "https")
	config := filepath.Join(home, "config.toml")
	for _, text := range []string{"a = \n", "[model_providers.codexauth]\nname = \"mine\"\n"} {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, b.setup(t), verdict.Failed, "left as it is", "--print")
		if contentOf(t, config) != text {
			t.Error("it was changed all the same")
		}
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 1 {
		t.Errorf("something was left behind: %v, %v", entries, err)
	}
}

// A settings file that is kept elsewhere is edited there.
func TestSetupCodexFollowsLink(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	home, dotfiles := t.TempDir(), t.TempDir()
	b.env = append(b.env, "CODEX_HOME="+home)
	b.signIn(t, "default")
	target, path := filepath.Join(dotfiles, "codex.toml"), filepath.Join(home, "config.toml")
	if err := os.WriteFile(target, []byte("model = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, target, path)
	if r := b.setup(t); r.code != 0 {
		t.Fatalf("exit %d: %q", r.code, r.stderr)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if settingsIn(t, contentOf(t, target)).Chosen != "codexauth" {
		t.Error("the file was not edited where it is")
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, b.setup(t), verdict.Failed, "leads nowhere")
}

// What keeps the settings from being heeded, or from being written, is told with what
// to do: a profile of the CLI's own, and links as dotfile managers make them.
func TestSetupCodexThatIsNotHeeded(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	home := t.TempDir()
	b.env = append(b.env, "CODEX_HOME="+home)
	b.signIn(t, "default")
	config := filepath.Join(home, "config.toml")
	write(t, config, "profile = \"p\"\n[profiles.p]\nmodel_provider = \"mine\"\n")
	if r := b.setup(t); r.code != 0 || !strings.Contains(r.stderr, `warning: the profile "p"`) {
		t.Errorf("exit %d: %q", r.code, r.stderr)
	}

	if runtime.GOOS == "windows" {
		t.Skip("not every user may make links on Windows")
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(home, "gone", "config.toml"), config); err != nil {
		t.Fatal(err)
	}
	r := b.setup(t)
	wantFailure(t, r, verdict.Failed, "is a link that leads nowhere")
	if !strings.Contains(r.stderr, "`codexauth setup codex --print` shows what to put") {
		t.Errorf("it says %q", r.stderr)
	}
}
