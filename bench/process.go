package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	b      *bench
	srv    *sandbox.Server
	issuer string // the sandbox, or what stands before it
	dir    string // everything of the trial's is below it
	home   string // the store
	env    []string
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
	dir, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, err
	}
	t := &trial{b: b, dir: dir, home: filepath.Join(dir, "home")}
	t.address, t.open = "file:"+t.home, t.openFile
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, err
	}
	cfg.AutoApprove = true
	if t.srv, err = sandbox.Start(cfg); err != nil {
		return nil, err
	}
	t.issuer = t.srv.URL()
	return t, nil
}

func (t *trial) close() {
	for _, end := range t.atEnd {
		end()
	}
	t.srv.Close()
	os.RemoveAll(t.dir)
}

const redirectURI, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"

// signIn signs the sandbox's default user in, in place of whoever is there.
func (t *trial) signIn() error {
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

// bearer is what `codexauth token --json` prints.
type bearer struct {
	AccessToken string `json:"access_token"`
	AccountID   string `json:"account_id"`
}

func readBearer(r result) (token bearer, err error) {
	if err := r.want(0); err != nil {
		return token, err
	}
	if err := json.Unmarshal([]byte(r.out), &token); err != nil {
		return token, fmt.Errorf("no token was printed: %w", err)
	}
	return token, nil
}

// honoured checks that r printed a token, and that the backend takes it.
func (t *trial) honoured(r result) (bearer, error) {
	token, err := readBearer(r)
	if err != nil {
		return token, err
	}
	status, err := t.ask(token)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the token that was printed is answered with %d by the backend", status)
	}
	return token, err
}

// ask asks the backend with a token.
func (t *trial) ask(token bearer) (status int, err error) {
	req, err := http.NewRequest(http.MethodGet, t.srv.BackendURL()+"/models", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("chatgpt-account-id", token.AccountID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// lives checks that a fresh process gets a token that works.
func (t *trial) lives() error {
	_, err := t.honoured(t.run("token", "--json"))
	return err
}

// livesAfter is lives, and that the server saw so many token requests, and no
// reuse, since its counters were at zero.
func (t *trial) livesAfter(requests int) error {
	return errors.Join(t.lives(), t.requests(requests))
}

func (t *trial) requests(want int) error {
	if c := t.srv.Counters(); c.TokenRequests != want || c.Reuses != 0 || c.DeadFamily != 0 {
		return fmt.Errorf("want %d token requests and no reuse, got %d and %d (%d of a dead family)", want, c.TokenRequests, c.Reuses, c.DeadFamily)
	}
	return nil
}

// storedRecord is what a record tells of its state.
type storedRecord struct {
	Login string `json:"login"`
	Seq   uint64 `json:"seq"`
	Note  *struct {
		PID int `json:"pid"`
	} `json:"note"`
}

// stored reads the record; the zero value is none.
func (t *trial) stored() (rec storedRecord, err error) {
	data, err := t.record()
	if err != nil || data == nil {
		return rec, err
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	return rec, json.Unmarshal(body, &rec)
}

// record reads the record as it is; nil is none.
func (t *trial) record() ([]byte, error) {
	store, err := t.open()
	if err != nil {
		return nil, err
	}
	defer closeStore(store)
	data, err := store.Load(context.Background(), codexauth.DefaultKey)
	if errors.Is(err, codexauth.ErrNotFound) {
		return nil, nil
	}
	return data, err
}

// closeStore ends the connections of a store that has some.
func closeStore(store codexauth.Store) {
	if c, ok := store.(io.Closer); ok {
		c.Close()
	}
}

// rescued returns the rescue files.
func (t *trial) rescued() (paths []string) {
	filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(filepath.Dir(path)), "codexauth-rescue") && strings.HasSuffix(path, ".record") {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

// noRescue checks that no rescue file is left.
func (t *trial) noRescue() error {
	if paths := t.rescued(); len(paths) > 0 {
		return fmt.Errorf("left behind: %v", paths)
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
	return until("a token request", func() bool { return t.srv.Counters().TokenRequests >= n })
}

// Exit codes of codexauth.
const (
	exitSignedOut = 3
	exitRefused   = 4
	exitTryLater  = 5
)

// reportedLost checks the words about a login that was cut off, and that nobody
// goes on asking.
func (t *trial) reportedLost(r result, pid int) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	asked := t.srv.Counters().TokenRequests
	again := t.run("token")
	if asked != 2 || t.srv.Counters().TokenRequests != 2 {
		err = fmt.Errorf("want one further token request and then none, got %d and %d", asked-1, t.srv.Counters().TokenRequests-asked)
	}
	says := []string{"cut off", fmt.Sprintf("process %d on host %s", pid, host), "sign in again"}
	return errors.Join(err, r.want(exitRefused, says...), again.want(exitRefused, says...))
}
