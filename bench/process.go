package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/sandbox"
)

// longest is how long a program may run before it is killed: much more than the
// two minutes that an expired token waits for others.
const longest = 9 * time.Minute

// A trial is one login in a store of its own, at a sandbox of its own.
type trial struct {
	b       *bench
	srv     *sandbox.Server
	foreign judge  // in place of the sandbox
	issuer  string // the sandbox, or what stands before it
	dir     string // everything of the trial's is below it
	home    string // the store
	env     []string
	// If an engine keeps the login:
	address string
	open    func() (codexauth.Store, error)
	atEnd   []func()
	within  []string // a command that runs programs on another machine
}

// newTrial starts a sandbox and signs in.
func (b *bench) newTrial(cfg sandbox.Config) (*trial, error) {
	t, err := b.newPlace(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.signIn(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// newExpired is newTrial with a login whose access token has expired, and the
// server's counters at zero.
func (b *bench) newExpired(cfg sandbox.Config) (*trial, error) {
	cfg.AccessTTL = -time.Hour
	t, err := b.newTrial(cfg)
	if err != nil {
		return nil, err
	}
	t.srv.SetAccessTTL(time.Hour)
	t.srv.ResetCounters()
	return t, nil
}

// newPlace is a trial in which nobody is signed in.
func (b *bench) newPlace(cfg sandbox.Config) (*trial, error) {
	t, err := b.newDir()
	if err != nil {
		return nil, err
	}
	cfg.AutoApprove = true
	if t.srv, err = sandbox.Start(cfg); err != nil {
		return nil, err
	}
	t.issuer = t.srv.URL()
	return t, nil
}

func (b *bench) newDir() (*trial, error) {
	dir, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, err
	}
	t := &trial{b: b, dir: dir, home: filepath.Join(dir, "home")}
	t.address, t.open = "file:"+t.home, t.openFile
	return t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
}

func (t *trial) close() {
	for _, end := range t.atEnd {
		end()
	}
	if t.srv != nil {
		t.srv.Close()
	}
	os.RemoveAll(t.dir)
}

const redirectURI, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"

// signIn signs the sandbox's default user in, in place of whoever is there.
func (t *trial) signIn() error {
	if t.foreign != nil {
		grant, err := t.foreign.grant()
		if err != nil {
			return err
		}
		return t.redeem(grant, nil)
	}
	return t.redeem(codexauth.Grant{Code: t.srv.Code(redirectURI, verifier), RedirectURI: redirectURI, Verifier: verifier}, nil)
}

// redeem stores the login of a grant; hc may be nil.
func (t *trial) redeem(g codexauth.Grant, hc *http.Client) error {
	m, end, err := t.manager(hc)
	if err != nil {
		return err
	}
	defer end()
	_, err = m.SignIn(context.Background(), g, codexauth.SignInOptions{Replace: true})
	return err
}

// manager makes a Manager of the login, which end closes.
func (t *trial) manager(hc *http.Client) (m *codexauth.Manager, end func(), err error) {
	store, err := t.open()
	if err != nil {
		return nil, nil, err
	}
	m, err = codexauth.NewManager(codexauth.Config{
		Store: store, Provider: codexauth.Provider{Issuer: t.issuer}, HTTPClient: hc, Lazy: true,
	})
	if err != nil {
		return nil, nil, err
	}
	return m, func() { m.Close(); closeStore(store) }, nil
}

// fault sets the sandbox's faults.
func (t *trial) fault(texts ...string) error {
	var faults []sandbox.Fault
	for _, text := range texts {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return err
		}
		faults = append(faults, f)
	}
	return t.srv.SetFaults(faults...)
}

// A running program of the trial.
type running struct {
	*exec.Cmd
	out, errs text
	began     time.Time
	ended     chan struct{} // closed when it has ended
	last      result        // how, then
}

// text is what a program has written so far.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// result is how a program ended.
type result struct {
	code      int // -1: by a signal
	out, errs string
	wall      time.Duration
}

// start starts a built program with the trial's environment and env.
func (t *trial) start(name string, env []string, args ...string) (*running, error) {
	return t.startPath(t.b.program(name), env, args...)
}

func (t *trial) startPath(path string, env []string, args ...string) (*running, error) {
	if len(t.within) > 0 {
		path, args = t.within[0], append(append(slices.Clone(t.within[1:]), path), args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	r := &running{Cmd: exec.CommandContext(ctx, path, args...), ended: make(chan struct{})}
	r.Env = append([]string{
		"CODEXAUTH_HOME=" + t.home, "CODEXAUTH_ISSUER=" + t.issuer, "HOME=" + t.dir,
		"LocalAppData=" + t.dir, "TMPDIR=" + filepath.Join(t.dir, "tmp"), "PATH=" + os.Getenv("PATH"),
	}, t.env...)
	r.Env = append(r.Env, env...)
	r.Stdout, r.Stderr = &r.out, &r.errs
	r.WaitDelay = time.Second
	ownGroup(r.Cmd)
	r.began = time.Now()
	if err := r.Start(); err != nil {
		cancel()
		return nil, err
	}
	go r.await(cancel)
	return r, nil
}

// wait waits for the end of the program.
func (r *running) wait() result {
	<-r.ended
	return r.last
}

func (r *running) await(cancel func()) {
	defer cancel()
	defer close(r.ended)
	err := r.Wait()
	r.last = result{code: -1, out: r.out.String(), errs: r.errs.String(), wall: time.Since(r.began)}
	if r.ProcessState != nil {
		r.last.code = r.ProcessState.ExitCode()
	} else if err != nil {
		r.last.errs += err.Error()
	}
}

// run runs codexauth to its end.
func (t *trial) run(args ...string) result { return t.runProgram("codexauth", nil, args...) }

func (t *trial) runProgram(name string, env []string, args ...string) result {
	r, err := t.start(name, env, args...)
	if err != nil {
		return result{code: -1, errs: err.Error()}
	}
	return r.wait()
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %v: %s", r.code, r.wall.Round(time.Millisecond), strings.TrimSpace(r.errs))
}

// want checks an exit code and what the message says.
func (r result) want(code int, says ...string) error {
	if r.code != code {
		return fmt.Errorf("want exit %d, got %v", code, r)
	}
	for _, s := range says {
		if !strings.Contains(r.errs, s) {
			return fmt.Errorf("the message does not say %q: %v", s, r)
		}
	}
	return nil
}

// until waits until a condition holds.
func until(what string, holds func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("waited a minute for %s", what)
}

// untilAsked waits until the server has seen so many token requests.
func (t *trial) untilAsked(n int) error {
	return until("a token request", func() bool { return t.counters().TokenRequests >= n })
}
