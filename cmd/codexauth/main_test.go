package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"codexauth"
	"codexauth/cmd/codexauth/internal/demo"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/oauth"
	"codexauth/sandbox"
	"codexauth/store/file"
)

// portsVariable names the ports of a sign-in in tests, where the registered ones
// may be taken.
const portsVariable = "CODEXAUTH_TEST_PORTS"

// raceEnv keeps each process of a test with the race detector from waiting a
// second before it ends.
const raceEnv = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	testscript.Main(heedful{m}, map[string]func(){
		"codexauth": func() { os.Exit(testApp().run(os.Args[1:])) },
		"installed-setup": func() {
			os.Exit(installedSetup(context.Background(), os.Stdout, os.Stderr, os.Args[1:]))
		},
		"person":      func() { person("allow") },
		"person-deny": func() { person("deny") },
		"person-auto": func() { visit(os.Args[1]) },
		"models":      models,
	})
}

// heedful runs tests whose commands heed what Ctrl-C and a lost terminal send, though
// the tests may have been started in the background of a script, or with nohup(1):
// what a process catches is not ignored by what it starts. At their end it ends the
// servers that they share.
type heedful struct{ *testing.M }

func (h heedful) Run() int {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	code := h.M.Run()
	for _, end := range slices.Backward(ends.all) {
		end()
	}
	return code
}

var ends struct {
	sync.Mutex
	all []func()
}

// atEnd has end called when all tests have run, the last one first.
func atEnd(end func()) {
	ends.Lock()
	defer ends.Unlock()
	ends.all = append(ends.all, end)
}

func testApp() *app {
	a := &app{Run: &run.Run{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}}, callbackPorts: []int{0}}
	if ports := os.Getenv(portsVariable); ports != "" {
		a.callbackPorts = nil
		for field := range strings.FieldsSeq(ports) {
			port, err := strconv.Atoi(field)
			if err != nil {
				panic(err)
			}
			a.callbackPorts = append(a.callbackPorts, port)
		}
	}
	a.anyUser = os.Getenv("CODEXAUTH_TEST_ANY_USER") != ""
	if text := os.Getenv("CODEXAUTH_TEST_OVERTAKE"); text != "" {
		a.OvertakeAfter, _ = time.ParseDuration(text)
	}
	return a
}

// person is a browser for $BROWSER with somebody before it.
func person(decision string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := demo.Consent(ctx, os.Args[1], decision); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// visit is a browser for a sandbox that approves by itself.
func visit(address string) {
	resp, err := http.Get(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	resp.Body.Close()
}

// models is a program that speaks OpenAI's API: it prints the models and exits with the
// given code.
func models() {
	req, err := http.NewRequest("GET", os.Getenv("OPENAI_BASE_URL")+"/models", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, resp.Body)
	code, _ := strconv.Atoi(os.Args[1])
	os.Exit(code)
}

// redirectOf is where a sandbox that approves by itself sends the browser.
func redirectOf(t *testing.T, address string) string {
	t.Helper()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

// A box is a sandbox and a store, and the command line that uses them.
type box struct {
	server *sandbox.Server
	home   string
	env    []string
}

func newBox(t *testing.T, cfg sandbox.Config) *box {
	t.Helper()
	cfg.AutoApprove = true
	home := filepath.Join(t.TempDir(), "home")
	b, tmp := &box{server: sandbox.New(t, cfg), home: home}, t.TempDir()
	b.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(home), "USERPROFILE=" + filepath.Dir(home), "TMPDIR=" + tmp, "TMP=" + tmp, "LocalAppData=" + filepath.Join(filepath.Dir(home), ".cache"),
		"CODEXAUTH_HOME=" + home, "CODEXAUTH_ISSUER=" + b.server.URL(), "TERM=xterm", raceEnv,
	}
	return b
}

// newExpired is a box whose one login needs a refresh, with counters at zero.
func newExpired(t *testing.T) *box {
	t.Helper()
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	b.signIn(t, "default")
	b.server.SetAccessTTL(time.Hour)
	b.server.ResetCounters()
	return b
}

func (b *box) signIn(t *testing.T, profile string) {
	t.Helper()
	if err := signIn(b.server, b.home, profile); err != nil {
		t.Fatal(err)
	}
}

// signIn stores a login of the sandbox's default user without a browser.
func signIn(server *sandbox.Server, home, profile string) error {
	store, err := file.Open(home)
	if err != nil {
		return err
	}
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Key: profile, Provider: codexauth.Provider{Issuer: server.URL()}})
	if err != nil {
		return err
	}
	defer m.Close()
	grant, err := grantOf(server)
	if err != nil {
		return err
	}
	_, err = m.SignIn(context.Background(), grant, codexauth.SignInOptions{Replace: true})
	return err
}

// grantOf gets a code of a sandbox that approves by itself.
func grantOf(server *sandbox.Server) (codexauth.Grant, error) {
	pkce := oauth.NewPKCE()
	const redirect = "http://localhost:1455/auth/callback"
	address, err := oauth.AuthorizeRequest{
		Endpoint: server.URL() + "/oauth/authorize", ClientID: sandbox.DefaultClientID, RedirectURI: redirect,
		Scopes: oauth.DefaultScopes(), State: oauth.NewState(), Challenge: pkce.Challenge,
	}.URL()
	if err != nil {
		return codexauth.Grant{}, err
	}
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		return codexauth.Grant{}, err
	}
	resp.Body.Close()
	target, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return codexauth.Grant{}, err
	}
	return codexauth.Grant{Code: target.Query().Get("code"), RedirectURI: redirect, Verifier: pkce.Verifier}, nil
}

// A result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// command prepares a run without a terminal and with nothing to read.
func (b *box) command(args ...string) *exec.Cmd {
	cmd := exec.Command("codexauth", args...)
	cmd.Env = b.env
	return cmd
}

// run runs a command to its end and makes sure that it told no secret.
func (b *box) run(t *testing.T, args ...string) result {
	t.Helper()
	before := secretsIn(b.home)
	r := finish(b.command(args...))
	b.check(t, r, before)
	return r
}

// finish runs cmd and collects what it says.
func finish(cmd *exec.Cmd) result {
	var stdout, stderr strings.Builder
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{code: -1, stderr: err.Error()}
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (b *box) check(t *testing.T, r result, before []string) {
	t.Helper()
	if err := checkSaid(r, append(before, secretsIn(b.home)...)); err != nil {
		t.Error(err)
	}
}

// checkSaid looks for secrets on standard error and, of a failure, for more
// than what happened and what to do.
func checkSaid(r result, secrets []string) error {
	for _, secret := range secrets {
		if strings.Contains(r.stderr, secret) {
			return errors.New("standard error shows a token of the store")
		}
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		return fmt.Errorf("the command panicked: %s", r.stderr)
	}
	return nil
}

// wantFailure wants this exit code, nothing on standard output, and one or two
// lines that hold each of the texts.
func wantFailure(t *testing.T, r result, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit %d, want %d; it said %q", r.code, code, r.stderr)
	}
	if r.stdout != "" {
		t.Errorf("%d bytes on standard output of a failure", len(r.stdout))
	}
	if n := strings.Count(r.stderr, "\n"); n < 1 || n > 2 {
		t.Errorf("an error of %d lines: %q", n, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("it does not say %q: %q", text, r.stderr)
		}
	}
}

// wantToken wants a token and nothing else, and returns it.
func wantToken(t *testing.T, r result) string {
	t.Helper()
	if r.code != verdict.Done {
		t.Fatalf("exit %d, want 0; it said %q", r.code, r.stderr)
	}
	token := strings.TrimSuffix(r.stdout, "\n")
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, " \n") {
		t.Fatalf("not one JWT and nothing else: %d bytes", len(r.stdout))
	}
	return token
}

// stored is the credential in a record's file.
type stored struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

func (b *box) stored(t *testing.T) stored {
	t.Helper()
	c, err := storedIn(filepath.Join(b.home, "record-default"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func storedIn(path string) (stored, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return stored{}, err
	}
	var record struct{ Credential stored }
	_, body, _ := strings.Cut(string(content), "\n")
	err = json.Unmarshal([]byte(body), &record)
	return record.Credential, err
}

// secretsIn collects the tokens of every record in a store that can be read.
func secretsIn(home string) []string {
	var secrets []string
	paths, _ := filepath.Glob(filepath.Join(home, "record-*"))
	for _, path := range paths {
		if c, err := storedIn(path); err == nil {
			for _, s := range []string{c.AccessToken, c.RefreshToken, c.IDToken} {
				if s != "" {
					secrets = append(secrets, s)
				}
			}
		}
	}
	return secrets
}

// follow opens an address as a browser does, and wants a page at its end.
func follow(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", resp.Request.URL.Path, resp.StatusCode)
	}
	return nil
}
