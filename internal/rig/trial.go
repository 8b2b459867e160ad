package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"codexauth"
	"codexauth/internal/rig/program"
	"codexauth/sandbox"
	"codexauth/store/file"
)

// Longest is how long a program may run before it is killed: much more than the
// two minutes that an expired token waits for others.
const Longest = 9 * time.Minute

// A Trial is one login in a store of its own, at a sandbox of its own.
type Trial struct {
	Server *sandbox.Server // nil at another authorization server
	Issuer string          // Server, or what stands before it
	Dir    string          // everything of the trial's is below it
	Home   string          // of codexauth
	Env    []string        // what its programs find in addition
	// Address and Open are of the store, which an engine may keep.
	Address string
	Open    func() (codexauth.Store, error)
	// Grant is a new sign-in's; nil: the sandbox's default user signs in.
	Grant  func() (codexauth.Grant, error)
	AtEnd  []func()
	Within []string // a command that runs programs on another machine

	run *Run
}

// NewTrial starts a sandbox and signs in.
func (r *Run) NewTrial(cfg sandbox.Config) (*Trial, error) {
	t, err := r.NewSignedOut(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.SignIn(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// NewSignedOut is a trial in which nobody is signed in.
func (r *Run) NewSignedOut(cfg sandbox.Config) (*Trial, error) {
	t, err := r.NewWithoutServer()
	if err != nil {
		return nil, err
	}
	cfg.AutoApprove = true
	if t.Server, err = sandbox.Start(cfg); err != nil {
		t.Close()
		return nil, err
	}
	t.Issuer = t.Server.URL()
	return t, nil
}

// NewWithoutServer is a trial in which nobody is signed in and no sandbox runs.
func (r *Run) NewWithoutServer() (*Trial, error) {
	dir, err := os.MkdirTemp(r.dir, "trial-")
	if err != nil {
		return nil, err
	}
	t := &Trial{run: r, Dir: dir}
	t.KeepIn(filepath.Join(dir, "home"))
	return t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
}

// KeepIn makes home the trial's, and its file store the one that keeps the login.
func (t *Trial) KeepIn(home string) {
	t.Home, t.Address = home, "file:"+home
	t.Open = func() (codexauth.Store, error) { return file.Open(home) }
}

// Close ends the trial and removes what it made.
func (t *Trial) Close() {
	for _, end := range t.AtEnd {
		end()
	}
	if t.Server != nil {
		t.Server.Close()
	}
	os.RemoveAll(t.Dir)
}

// RedirectURI and Verifier are those of a trial's sign-ins.
const (
	RedirectURI = "http://localhost:1455/auth/callback"
	Verifier    = "a-verifier-of-at-least-forty-three-characters"
)

// SignIn signs in, in place of whoever is there.
func (t *Trial) SignIn() error {
	if t.Grant == nil {
		return t.Redeem(t.sandboxGrant(), nil)
	}
	grant, err := t.Grant()
	if err != nil {
		return err
	}
	return t.Redeem(grant, nil)
}

func (t *Trial) sandboxGrant() codexauth.Grant {
	return codexauth.Grant{Code: t.Server.Code(RedirectURI, Verifier), RedirectURI: RedirectURI, Verifier: Verifier}
}

// Redeem stores the login of a grant; hc may be nil.
func (t *Trial) Redeem(g codexauth.Grant, hc *http.Client) error {
	m, end, err := t.Manager(hc)
	if err != nil {
		return err
	}
	defer end()
	_, err = m.SignIn(context.Background(), g, codexauth.SignInOptions{Replace: true})
	return err
}

// Manager makes a Manager of the login, which end closes.
func (t *Trial) Manager(hc *http.Client) (m *codexauth.Manager, end func(), err error) {
	store, err := t.Open()
	if err != nil {
		return nil, nil, err
	}
	m, err = codexauth.NewManager(codexauth.Config{
		Store: store, Provider: codexauth.Provider{Issuer: t.Issuer}, HTTPClient: hc, Lazy: true,
	})
	if err != nil {
		return nil, nil, err
	}
	return m, func() { m.Close(); CloseStore(store) }, nil
}

// CloseStore ends the connections of a store that has some.
func CloseStore(store codexauth.Store) {
	if c, ok := store.(io.Closer); ok {
		c.Close()
	}
}

// Fault sets the sandbox's faults.
func (t *Trial) Fault(texts ...string) error {
	var faults []sandbox.Fault
	for _, text := range texts {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return err
		}
		faults = append(faults, f)
	}
	return t.Server.SetFaults(faults...)
}

// Program is the path of a built program.
func (t *Trial) Program(name string) string { return t.run.Program(name) }

// Run runs codexauth to its end.
func (t *Trial) Run(args ...string) program.Result { return t.RunProgram("codexauth", nil, args...) }

// RunProgram runs a built program to its end.
func (t *Trial) RunProgram(name string, env []string, args ...string) program.Result {
	r, err := t.Start(name, env, args...)
	if err != nil {
		return program.Result{Code: -1, Errs: err.Error()}
	}
	return r.End()
}

// Start starts a built program with the trial's environment and env.
func (t *Trial) Start(name string, env []string, args ...string) (*program.Running, error) {
	return t.StartPath(t.Program(name), env, args...)
}

// StartPath is Start for a program that was not built here.
func (t *Trial) StartPath(path string, env []string, args ...string) (*program.Running, error) {
	return program.Start(t.command(path, env, args...), Longest)
}

// Serve starts a built program that prints a line of JSON once it listens. Its log
// is a file, as a service manager's is.
func (t *Trial) Serve(name string, ready any, args ...string) (*program.Server, error) {
	log, err := os.CreateTemp(t.Dir, "log-")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := t.command(t.Program(name), nil, args...)
	cmd.Stderr = log
	server, err := program.Serve(cmd, ready)
	if err != nil {
		said, _ := os.ReadFile(log.Name()) // what can't be read is not said
		return nil, fmt.Errorf("%w%s", err, said)
	}
	return server, nil
}

func (t *Trial) command(path string, env []string, args ...string) *exec.Cmd {
	if len(t.Within) > 0 {
		path, args = t.Within[0], append(append(slices.Clone(t.Within[1:]), path), args...)
	}
	cmd := exec.Command(path, args...)
	tmp := filepath.Join(t.Dir, "tmp")
	cmd.Env = append([]string{
		"CODEXAUTH_HOME=" + t.Home, "CODEXAUTH_ISSUER=" + t.Issuer, "PATH=" + os.Getenv("PATH"),
		"HOME=" + t.Dir, "USERPROFILE=" + t.Dir, "LocalAppData=" + t.Dir, "TMPDIR=" + tmp, "TMP=" + tmp,
	}, t.Env...)
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = time.Second
	program.OwnGroup(cmd)
	return cmd
}
