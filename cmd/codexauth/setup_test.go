package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
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
	a := &app{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: out, Stderr: errs}, heedSignals: func() {}}
	root := &cobra.Command{Use: "codexauth", SilenceErrors: true, SilenceUsage: true}
	a.defineGlobals(root.PersistentFlags())
	root.AddCommand(a.setupCommand(func() (string, error) { return "/opt/bin/codexauth", nil }))
	root.SetArgs(append([]string{"setup"}, args...))
	var r result
	if err := root.ExecuteContext(t.Context()); err != nil {
		r.code = a.report(t.Context(), err)
	}
	r.stdout, r.stderr = contentOf(t, out.Name()), contentOf(t, errs.Name())
	return r
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

// The Codex CLI's settings name the store, and hold no password.
func TestSetupNamesTheStore(t *testing.T) {
	for _, c := range []struct {
		address, variable string
		refused           bool
	}{
		{address: "file:/x"},
		{address: "keyring:/x"},
		{address: "etcds://me@host:2379/x?passfile=/pw"},
		{address: "postgres://me@host/db"},
		{address: "postgres://me@host/db", variable: "CODEXAUTH_ETCD_PASSWORD"},
		{address: "postgres://me@host/db", variable: "PGPASSWORD", refused: true},
		{address: "etcds://me@host:2379/x", variable: "CODEXAUTH_ETCD_PASSWORD", refused: true},
		{address: "postgres://me:s3cret@host/db", refused: true},
	} {
		t.Run(c.address+" "+c.variable, func(t *testing.T) {
			for _, name := range []string{"PGPASSWORD", "CODEXAUTH_ETCD_PASSWORD"} {
				t.Setenv(name, "")
			}
			if c.variable != "" {
				t.Setenv(c.variable, "s3cret")
			}
			a := &app{flags: globalFlags{store: c.address}}
			a.said = config.Resolve(a.flags.value, func(string) string { return "" }, &config.File{})
			args, err := a.tokenArgs(&place.Place{Address: c.address, Profile: codexauth.DefaultKey})
			var usage *hint.UsageError
			switch {
			case strings.Contains(fmt.Sprint(args, err), "s3cret"):
				t.Errorf("the password stands in %q or in %v", args, err)
			case c.refused != errors.As(err, &usage):
				t.Errorf("args %q, error %v", args, err)
			case !c.refused && !slices.Equal(args[:4], []string{"--profile", "default", "--store", c.address}):
				t.Errorf("args %q", args)
			}
		})
	}
}
