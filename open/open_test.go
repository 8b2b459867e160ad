package open_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/open"
	"codexauth/open/age"
	"codexauth/open/etcd"
	"codexauth/open/keyring"
	"codexauth/open/postgres"
	"codexauth/sandbox"
	"codexauth/seal"
	"codexauth/store/file"
)

// A place is a home without settings, for this process.
type home struct {
	dir    string
	server *sandbox.Server
}

func newHome(t *testing.T) home {
	t.Helper()
	for _, name := range []string{
		"CODEXAUTH_CONFIG", "CODEXAUTH_STORE", "CODEXAUTH_PROFILE", "CODEXAUTH_IDENTITY_FILE", "CODEXAUTH_CA_FILE", "CODEXAUTH_CLIENT_ID",
		"CODEXAUTH_BROKER_KEY", "CODEXAUTH_BROKER_KEY_FILE", "PGPASSWORD", "XDG_RUNTIME_DIR",
	} {
		t.Setenv(name, "")
	}
	h := home{filepath.Join(t.TempDir(), "home"), sandbox.New(t, sandbox.Config{})}
	t.Setenv("CODEXAUTH_HOME", h.dir)
	t.Setenv("CODEXAUTH_ISSUER", h.server.URL())
	return h
}

// signIn puts a login into the store in a directory, and returns its access token.
func (h home) signIn(t *testing.T, dir, profile string, sealer codexauth.Sealer) string {
	t.Helper()
	store, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Key: profile, Sealer: sealer, Provider: codexauth.Provider{Issuer: h.server.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tokens := h.server.Issue(sandbox.User{})
	stored, err := m.Import(t.Context(), codexauth.Credential{
		AccessToken: codexauth.NewSecret(tokens.AccessToken), RefreshToken: codexauth.NewSecret(tokens.RefreshToken), IDToken: codexauth.NewSecret(tokens.IDToken),
	}, codexauth.SignInOptions{})
	if err != nil || !stored {
		t.Fatal(stored, err)
	}
	return tokens.AccessToken
}

// settings writes the config file.
func (h home) settings(t *testing.T, text string) {
	t.Helper()
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func all() []open.Kind {
	return []open.Kind{keyring.Kind(), age.Kind(), postgres.Kind(), etcd.Kind()}
}

func wantToken(t *testing.T, want string, kinds ...open.Kind) {
	t.Helper()
	m, err := open.Manager(t.Context(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	token, err := m.Token(t.Context())
	if err != nil || token.AccessToken.Reveal() != want {
		t.Errorf("another token, %v", err)
	}
}

// The variables come before the file, the file before the default; and a key seals what
// a program with that kind reads.
func TestManagerGoesByTheSettings(t *testing.T) {
	h := newHome(t)
	there := filepath.Join(t.TempDir(), "there")
	first, work, second := h.signIn(t, h.dir, "default", nil), h.signIn(t, h.dir, "work", nil), h.signIn(t, there, "default", nil)
	wantToken(t, first)
	h.settings(t, "profile = \"work\"\n")
	wantToken(t, work)
	t.Setenv("CODEXAUTH_PROFILE", "default")
	wantToken(t, first)
	t.Setenv("CODEXAUTH_STORE", "file:"+there)
	wantToken(t, second)
	t.Setenv("CODEXAUTH_STORE", "")

	key := filepath.Join(t.TempDir(), "key")
	sealer := newKey(t, key)
	sealed := h.signIn(t, filepath.Join(there, "sealed"), "default", sealer)
	t.Setenv("CODEXAUTH_STORE", "file:"+filepath.Join(there, "sealed"))
	t.Setenv("CODEXAUTH_IDENTITY_FILE", key)
	wantToken(t, sealed, all()...)
}

// newKey makes a key in a file.
func newKey(t *testing.T, path string) *seal.Sealer {
	t.Helper()
	if _, err := seal.WriteNew(path); err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.OpenFile(path, seal.UI{})
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// What keeps a program from its login can be told apart, and says what to do about it;
// nothing says a secret.
func TestManagerSaysWhatIsWrong(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its addresses are those of Unix")
	}
	for name, tt := range map[string]struct {
		make  func(t *testing.T, h home)
		env   string // one variable
		kinds []open.Kind
		is    error
		says  []string
	}{
		"torn settings":      {make: func(t *testing.T, h home) { h.settings(t, "store = \"file:") }, is: open.ErrSettings, says: []string{"config.toml", "cut off (line 1", "fix that line"}},
		"an unknown setting": {make: func(t *testing.T, h home) { h.settings(t, "stroe = \"x\"\n") }, is: open.ErrSettings, says: []string{"stroe", "take the line out"}},
		"a secret in it":     {make: func(t *testing.T, h home) { h.settings(t, "store = \"postgres://me:hunter2@db/x\"\n") }, is: open.ErrSettings, says: []string{"a password in it", "passfile=PATH"}},
		"settings that are shared": {make: func(t *testing.T, h home) {
			h.settings(t, "profile = \"work\"\n")
			if err := os.Chmod(filepath.Join(h.dir, "config.toml"), 0o666); err != nil {
				t.Fatal(err)
			}
		}, is: open.ErrSettings, says: []string{"can't be trusted", "chmod 600"}},
		"settings that are not there": {env: "CODEXAUTH_CONFIG=/nowhere/config.toml", is: open.ErrSettings, says: []string{"/nowhere/config.toml", "CODEXAUTH_CONFIG names them"}},
		"an unknown kind of store":    {env: "CODEXAUTH_STORE=floppy:a", is: open.ErrSettings, says: []string{"CODEXAUTH_STORE", "file:DIR"}},
		"no key file":                 {env: "CODEXAUTH_IDENTITY_FILE=/nowhere/key", kinds: all(), is: seal.ErrIdentity, says: []string{"/nowhere/key"}},
		"a keyring and a key": {make: func(t *testing.T, _ home) {
			key := filepath.Join(t.TempDir(), "key")
			newKey(t, key)
			t.Setenv("CODEXAUTH_IDENTITY_FILE", key)
		}, env: "CODEXAUTH_STORE=keyring:", kinds: all(), is: open.ErrSettings, says: []string{"has one of its own", "leave it out"}},
		"a broker and a profile": {make: func(t *testing.T, _ home) { t.Setenv("CODEXAUTH_PROFILE", "work") }, env: "CODEXAUTH_STORE=broker+unix:/nowhere/sock",
			is: open.ErrSettings, says: []string{"a broker has one login", "leave it out"}},
		"a missing certificate": {env: "CODEXAUTH_CA_FILE=/nowhere/ca.pem", is: open.ErrSettings, says: []string{"/nowhere/ca.pem"}},
		"nobody signed in":      {is: codexauth.ErrSignedOut, says: []string{"`codexauth login`"}},
		"a missing profile": {make: func(t *testing.T, h home) { h.signIn(t, h.dir, "default", nil) }, env: "CODEXAUTH_PROFILE=work",
			is: codexauth.ErrSignedOut, says: []string{`profile "work"`, "home", "`codexauth --profile work login`", "status --all"}},
		"a profile with an odd name": {env: "CODEXAUTH_PROFILE=$(id)`id`",
			is: codexauth.ErrSignedOut, says: []string{"codexauth --profile '$(id)`id`' login"}},
		"a store that is away": {make: away, is: open.ErrStoreAway, says: []string{"bring the store back"}},
		"a store that others read": {make: func(t *testing.T, h home) {
			h.signIn(t, h.dir, "default", nil)
			if err := os.Chmod(filepath.Join(h.dir, "record-default"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, is: codexauth.ErrStoreUnsafe, says: []string{"chmod"}},
		"a database that is away": {env: "CODEXAUTH_STORE=postgres://me@127.0.0.1:1/x?sslmode=disable", kinds: all(),
			is: open.ErrUnreadable, says: []string{"postgres://127.0.0.1:1/x", "codexauth doctor"}},
		"a cluster that is away": {env: "CODEXAUTH_STORE=etcd://127.0.0.1:1/x", kinds: all(), is: open.ErrUnreadable, says: []string{"codexauth doctor"}},
		"a damaged record": {make: func(t *testing.T, h home) {
			h.signIn(t, h.dir, "default", nil)
			if err := os.WriteFile(filepath.Join(h.dir, "record-default"), []byte("torn"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, is: codexauth.ErrDamaged, says: []string{"codexauth login"}},
		"a sealed store and no key": {make: func(t *testing.T, h home) {
			h.signIn(t, h.dir, "default", newKey(t, filepath.Join(t.TempDir(), "key")))
		},
			kinds: all(), is: codexauth.ErrSealed, says: []string{"identity-file", "age.Kind()"}},
		"a sealed store and another key": {make: func(t *testing.T, h home) {
			h.signIn(t, h.dir, "default", newKey(t, filepath.Join(t.TempDir(), "key")))
			other := filepath.Join(t.TempDir(), "other")
			newKey(t, other)
			t.Setenv("CODEXAUTH_IDENTITY_FILE", other)
		}, kinds: all(), is: codexauth.ErrWrongKey, says: []string{"identity-file"}},
		"a key that is not linked":   {env: "CODEXAUTH_IDENTITY_FILE=/nowhere/key", is: open.ErrNotLinked, says: []string{"codexauth/open/age"}},
		"a store that is not linked": {env: "CODEXAUTH_STORE=postgres://me:hunter2@db/x", is: open.ErrNotLinked, says: []string{"codexauth/open/postgres"}},
		"a broker that is gone":      {env: "CODEXAUTH_STORE=broker+unix:/nowhere/sock", is: client.ErrUnreachable, says: []string{"/nowhere/sock", "`codexauth serve` runs there"}},
		"a broker without a key":     {env: "CODEXAUTH_STORE=broker+http://127.0.0.1:9", is: client.ErrNoKey, says: []string{"key-file=PATH"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if variable, value, found := strings.Cut(tt.env, "="); found {
				t.Setenv(variable, value)
			}
			if tt.make != nil {
				tt.make(t, h)
			}
			m, err := open.Manager(t.Context(), tt.kinds...)
			if m != nil {
				m.Close()
			}
			if !errors.Is(err, tt.is) {
				t.Fatalf("%v", err)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || errors.Is(err, open.ErrSettings) != (tt.is == open.ErrSettings) {
				t.Errorf("%v", err)
			}
		})
	}
}

// away is a store that is gone while a login waits for it that it did not take.
func away(t *testing.T, h home) {
	t.Helper()
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"} { // where it waits
		t.Setenv(name, t.TempDir())
	}
	h.signIn(t, h.dir, "default", nil)
	cfg, err := open.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := &failing{Store: cfg.Store}
	cfg.Store = store
	m, err := codexauth.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Refresh(t.Context())
	if m.Close(); err != nil || store.path == "" {
		t.Fatalf("nothing was rescued: %v", err)
	}
	if err := os.WriteFile(store.path, store.rescued, 0o600); err != nil { // as if it had not been saved after all
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
}

// failing is a store that takes the note of a refresh, and what came of it only once
// that waits in a rescue file.
type failing struct {
	codexauth.Store
	path    string // of the rescue file
	rescued []byte
}

func (s *failing) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	return &failingClaim{Claim: c, store: s}, err
}

type failingClaim struct {
	codexauth.Claim
	store *failing
	noted bool
}

func (c *failingClaim) Commit(ctx context.Context, record []byte) error {
	if !c.noted {
		c.noted = true
		return c.Claim.Commit(ctx, record)
	}
	found, err := filepath.Glob(filepath.Join(os.Getenv("XDG_STATE_HOME"), "codexauth-rescue", "*.record"))
	if err != nil || len(found) == 0 {
		return errors.New("input/output error")
	}
	c.store.path = found[0]
	if c.store.rescued, err = os.ReadFile(found[0]); err != nil {
		return err
	}
	return c.Claim.Commit(ctx, record)
}

// A program that starts before anybody signs in has a Config, and nothing is opened for
// long: a caller that gives up is not held.
func TestConfigBeforeTheSignIn(t *testing.T) {
	h := newHome(t)
	cfg, err := open.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := codexauth.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
		t.Errorf("%v", err)
	}
	want := h.signIn(t, h.dir, "default", nil)
	if token, err := m.Token(t.Context()); err != nil || token.AccessToken.Reveal() != want {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	t.Setenv("CODEXAUTH_STORE", "postgres://me@192.0.2.1/x")
	if _, err := open.Manager(ctx, all()...); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
