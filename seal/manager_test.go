package seal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"codexauth"
	"codexauth/internal/frame"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// rig is a sandbox and a store that remembers every byte it was given.
type rig struct {
	*memory.Store
	server *sandbox.Server
	rescue string

	mu       sync.Mutex
	seen     [][]byte
	onCommit func(n int, record []byte) error // n counts from 1 since it was set
	n        int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{
		Store:  memory.New(),
		server: sandbox.New(t, sandbox.Config{AutoApprove: true}),
		rescue: filepath.Join(t.TempDir(), "rescue"),
	}
}

func (r *rig) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := r.Store.Claim(ctx, key)
	return &rigClaim{c, r}, err
}

func (r *rig) hook(f func(n int, record []byte) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onCommit, r.n = f, 0
}

type rigClaim struct {
	codexauth.Claim
	r *rig
}

func (c *rigClaim) Commit(ctx context.Context, record []byte) error {
	c.r.mu.Lock()
	c.r.seen = append(c.r.seen, bytes.Clone(record))
	c.r.n++
	n, hook := c.r.n, c.r.onCommit
	c.r.mu.Unlock()
	if hook != nil {
		if err := hook(n, record); err != nil {
			return err
		}
	}
	return c.Claim.Commit(ctx, record)
}

func (r *rig) manager(t *testing.T, key string, s codexauth.Sealer) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(codexauth.Config{
		Store: r, Key: key, Sealer: s, RescueDir: r.rescue,
		Provider: codexauth.Provider{Issuer: r.server.URL()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func (r *rig) signIn(t *testing.T, key string, s codexauth.Sealer) *codexauth.Manager {
	t.Helper()
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	m := r.manager(t, key, s)
	grant := codexauth.Grant{Code: r.server.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	if _, err := m.SignIn(t.Context(), grant, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (r *rig) record(t *testing.T, key string) []byte {
	t.Helper()
	data, err := r.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantSealed fails if a byte of what was ever stored tells a token or an account.
func (r *rig) wantSealed(t *testing.T, records ...[]byte) {
	t.Helper()
	for i, record := range append(r.seen, records...) {
		if !frame.Sealed(record) || !bytes.HasPrefix(record, []byte("codexauth-record v1 age ")) {
			t.Errorf("record %d is not sealed: %.40q", i, record)
		}
		for _, word := range []string{"eyJhbGciOi", "refresh_token", "sandbox.test", "credential", "default"} {
			if bytes.Contains(record, []byte(word)) {
				t.Errorf("record %d holds %q in the clear", i, word)
			}
		}
	}
}

func mustToken(t *testing.T, m *codexauth.Manager) string {
	t.Helper()
	token, err := m.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken.Reveal()
}

func mustRefresh(t *testing.T, m *codexauth.Manager) string {
	t.Helper()
	token, err := m.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken.Reveal()
}

func TestManager(t *testing.T) {
	installPlugins(t, "plain")
	for name, path := range map[string]string{
		"hybrid": keyFile(t, hybridLine(t)), "x25519": keyFile(t, classicLine(t)), "plugin": keyFile(t, pluginLine(t, "plain")), "passphrase": "",
	} {
		t.Run(name, func(t *testing.T) {
			sealer := func() *Sealer { // as another process has it
				if path == "" {
					return quick("a passphrase")
				}
				return openFile(t, path, UI{})
			}
			r := newRig(t)
			m := r.signIn(t, "", sealer())
			first := mustToken(t, m)
			if got := mustToken(t, r.manager(t, "", sealer())); got != first {
				t.Error("another process has another token")
			}
			second := mustRefresh(t, r.manager(t, "", sealer()))
			if got := mustRefresh(t, m); got == second || got == first {
				t.Error("it was not refreshed")
			}
			status, err := r.manager(t, "", sealer()).Status(t.Context())
			if err != nil || !status.Sealed || status.State != codexauth.StateValid {
				t.Errorf("%+v, %v", status, err)
			}
			r.wantSealed(t)
			if err := m.SignOut(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			r.wantSealed(t)
			if c := r.server.Counters(); c.Refreshes != 2 || c.Reuses != 0 || len(r.seen) != 7 /* the sign-in is announced */ {
				t.Errorf("%d refreshes, %d reuses, %d commits", c.Refreshes, c.Reuses, len(r.seen))
			}
		})
	}
}

func TestManagerWithoutTheRightKey(t *testing.T) {
	r := newRig(t)
	r.signIn(t, "", openFile(t, keyFile(t, hybridLine(t)), UI{}))
	before := r.record(t, codexauth.DefaultKey)
	for name, c := range map[string]struct {
		sealer codexauth.Sealer
		want   error
	}{
		"other key":  {openFile(t, keyFile(t, hybridLine(t)), UI{}), codexauth.ErrWrongKey},
		"passphrase": {quick("a passphrase"), codexauth.ErrWrongKey},
		"no key":     {nil, codexauth.ErrSealed},
	} {
		t.Run(name, func(t *testing.T) {
			m := r.manager(t, "", c.sealer)
			_, err := m.Token(t.Context())
			wantErr(t, err, c.want)
			_, err = m.Refresh(t.Context())
			wantErr(t, err, c.want)
			wantErr(t, m.SignOut(t.Context(), false), c.want)
			_, err = m.SignIn(t.Context(), codexauth.Grant{Code: "c", RedirectURI: "http://localhost:1455/auth/callback", Verifier: "v"}, codexauth.SignInOptions{})
			wantErr(t, err, c.want)
		})
	}
	if !bytes.Equal(before, r.record(t, codexauth.DefaultKey)) || r.server.Counters().TokenRequests != 1 {
		t.Error("something was changed or sent")
	}
}

func TestPlainRecordIsSealedAtTheNextWrite(t *testing.T) {
	r := newRig(t)
	first := mustToken(t, r.signIn(t, "", nil))
	m := r.manager(t, "", openFile(t, keyFile(t, hybridLine(t)), UI{}))
	if mustToken(t, m) != first || frame.Sealed(r.record(t, codexauth.DefaultKey)) {
		t.Error("reading changed the record")
	}
	r.seen = nil
	mustRefresh(t, m)
	r.wantSealed(t, r.record(t, codexauth.DefaultKey))
	if len(r.seen) != 2 {
		t.Errorf("%d commits", len(r.seen))
	}
}

func TestSwappedRecordsAreRefused(t *testing.T) {
	r := newRig(t)
	s := openFile(t, keyFile(t, hybridLine(t)), UI{})
	r.signIn(t, "work", s)
	r.signIn(t, "home", s)
	work, home := r.record(t, "work"), r.record(t, "home")
	r.Put("work", home)
	r.Put("home", work)
	for _, key := range []string{"work", "home"} {
		m := r.manager(t, key, s)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrDamaged, key)
		_, err = m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrDamaged)
	}
	if !bytes.Equal(r.record(t, "work"), home) || r.server.Counters().Refreshes != 0 {
		t.Error("something was changed or sent")
	}
}

// An old record is as well sealed as the new one: only a process that has seen
// the new one knows better.
func TestOlderRecordIsRefusedByARunningManager(t *testing.T) {
	r := newRig(t)
	s := openFile(t, keyFile(t, hybridLine(t)), UI{})
	m := r.signIn(t, "", s)
	old := r.record(t, codexauth.DefaultKey)
	mustRefresh(t, m)
	mustRefresh(t, m)
	token, err := m.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Put(codexauth.DefaultKey, old)
	m.Invalidate(token) // as if the backend refused it: now the store has to be asked
	if _, err := m.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "went back") {
		t.Errorf("got %v", err)
	}
	if c := r.server.Counters(); c.Reuses != 0 || c.Refreshes != 2 {
		t.Errorf("%d reuses, %d refreshes", c.Reuses, c.Refreshes)
	}
}

func TestRescueFileIsSealed(t *testing.T) {
	r := newRig(t)
	path := keyFile(t, hybridLine(t))
	m := r.signIn(t, "", openFile(t, path, UI{}))
	var noted, rescued []byte
	var name string
	r.hook(func(n int, record []byte) error {
		switch n {
		case 1: // the note
			noted = bytes.Clone(record)
			return nil
		case 2: // the store fails in the worst moment
			return errors.New("no space left on device")
		}
		files, err := filepath.Glob(filepath.Join(r.rescue, "*.record"))
		if err != nil || len(files) != 1 {
			t.Errorf("rescue files %v, %v", files, err)
			return nil
		}
		name = files[0]
		rescued, err = os.ReadFile(name)
		return err
	})
	want := mustRefresh(t, m)
	r.hook(nil)
	if rescued == nil {
		t.Fatal("there was no rescue file")
	}
	r.wantSealed(t, rescued)
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rescue file is left: %v", err)
	}

	// A start after a crash at that moment: the note in the store, the successor
	// in the rescue file. It needs the key.
	r.Put(codexauth.DefaultKey, noted)
	if err := os.WriteFile(name, rescued, 0o600); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		_, err := r.manager(t, "", openFile(t, keyFile(t, hybridLine(t)), UI{})).Refresh(t.Context())
		wantErr(t, err, codexauth.ErrWrongKey)
		if _, err := os.Stat(name); err != nil {
			t.Fatalf("a process with another key removed the rescue file: %v", err)
		}
	}
	if got := mustRefresh(t, r.manager(t, "", openFile(t, path, UI{}))); got != want {
		t.Error("the rescued token was not adopted")
	}
	if c := r.server.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
}

// A rotation in another process, which has neither passphrase nor terminal.
func TestRotationWithAHandedOverKey(t *testing.T) {
	r := newRig(t)
	parent := quick("a passphrase")
	first := mustToken(t, r.signIn(t, "", parent))
	second := mustRefresh(t, r.manager(t, "", handover(t, parent)))
	if got := mustToken(t, r.manager(t, "", quick("a passphrase"))); got != second || got == first {
		t.Error("the new token is not there")
	}
	r.wantSealed(t)
}
