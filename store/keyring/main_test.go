package keyring

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/storetest"
)

// The variables that make this test binary a process with a part in a test.
const (
	partVar = "CODEXAUTH_KEYRING_TEST_PART"
	dirVar  = "CODEXAUTH_KEYRING_TEST_DIR"
)

func TestMain(m *testing.M) {
	storetest.Main(func(dir string) (codexauth.Store, error) {
		s, err := Open(dir, Options{})
		return sealing{s}, err
	})
	playChild()
	os.Exit(m.Run())
}

// sealing seals every record with the store's own key, as a Manager does.
type sealing struct{ *Store }

func (s sealing) Load(ctx context.Context, key string) ([]byte, error) {
	sealed, err := s.Store.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.Sealer().Open(sealed)
}

func (s sealing) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	if err != nil {
		return nil, err
	}
	sc := &sealingClaim{Claim: c, s: s}
	if sc.plain, err = sc.open(c.Record()); err != nil {
		c.Release()
		return nil, err
	}
	return sc, nil
}

type sealingClaim struct {
	codexauth.Claim
	s     sealing
	plain []byte
}

func (c *sealingClaim) open(sealed []byte) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := c.s.Sealer().Open(sealed)
	return append([]byte{}, plain...), err
}

func (c *sealingClaim) Record() []byte { return c.plain }

func (c *sealingClaim) Reload(ctx context.Context) ([]byte, error) {
	sealed, err := c.Claim.Reload(ctx)
	if err != nil {
		return nil, err
	}
	c.plain, err = c.open(sealed)
	return c.plain, err
}

func (c *sealingClaim) Commit(ctx context.Context, record []byte) error {
	sealed, err := c.s.Sealer().Seal(record)
	if err == nil {
		err = c.Claim.Commit(ctx, sealed)
	}
	if err == nil {
		c.plain = append([]byte{}, record...)
	}
	return err
}

func (c *sealingClaim) Delete(ctx context.Context) error {
	err := c.Claim.Delete(ctx)
	if err == nil {
		c.plain = nil
	}
	return err
}

// said is how a child reports on its part.
type said struct {
	Kind    string // of the error: a name of kinds, "other", or "" for none
	Message string
	Took    time.Duration
	Token   string
}

var kinds = map[string]error{
	"unavailable": ErrUnavailable, "locked": ErrLocked, "timeout": ErrTimeout, "denied": ErrDenied, "missing": ErrMissing,
	"wrong key": codexauth.ErrWrongKey, "not sealed": codexauth.ErrNotSealed, "signed out": codexauth.ErrSignedOut,
}

func kindName(err error) string {
	if err == nil {
		return ""
	}
	for name, kind := range kinds {
		if errors.Is(err, kind) {
			return name
		}
	}
	return "other"
}

// playChild plays the part that the environment asks for, if any, and exits. It
// starts when its standard input ends.
func playChild() {
	part, arg, _ := strings.Cut(os.Getenv(partVar), " ")
	if part == "" {
		return
	}
	io.Copy(io.Discard, os.Stdin)
	start := time.Now()
	token, err := play(part, arg, os.Getenv(dirVar))
	s := said{Kind: kindName(err), Took: time.Since(start), Token: token}
	if err != nil {
		s.Message = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// childOptions are short, so that tests are.
func childOptions() Options { return Options{Timeout: 3 * time.Second, Prompt: time.Second} }

func play(part, arg, dir string) (string, error) {
	if part == "probe" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return "", Probe(ctx)
	}
	s, err := Open(dir, childOptions())
	if err != nil {
		return "", err
	}
	m, err := codexauth.NewManager(codexauth.Config{Store: s, Sealer: s.Sealer(), Key: arg, Lazy: true})
	if err != nil {
		return "", err
	}
	defer m.Close()
	if part == "import" {
		_, err := m.Import(context.Background(), someLogin(arg), codexauth.SignInOptions{})
		return "", err
	}
	token, err := m.Token(context.Background())
	return token.AccessToken.Reveal(), err
}

// someLogin is a login that is valid for an hour.
func someLogin(name string) codexauth.Credential {
	claims := fmt.Sprintf(`{"exp":%d,"jti":%q,"https://api.openai.com/auth":{"chatgpt_account_id":"acc-1"}}`,
		time.Now().Add(time.Hour).Unix(), name)
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
	return codexauth.Credential{AccessToken: codexauth.NewSecret(token), RefreshToken: codexauth.NewSecret("rt-" + name)}
}

// newPlace is a store in a directory of its own.
func newPlace(t *testing.T) storetest.Place {
	dir := filepath.Join(t.TempDir(), "store")
	var writer sealing // has the key in memory for Overwrite
	return storetest.Place{
		Name: dir,
		Open: func() codexauth.Store {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			writer = sealing{s}
			return writer
		},
		Overwrite: func(key string, record []byte) {
			record, err := writer.Sealer().Seal(record)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "record-"+key), record, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}
