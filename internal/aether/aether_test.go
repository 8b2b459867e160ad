package aether

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age/armor"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/seal"
)

const passphrase = "a passphrase"

// credentialsFile writes text as a credentials file.
func credentialsFile(t testing.TB, text string, armored bool) string {
	t.Helper()
	data := encrypted(t, text, passphrase)
	if armored {
		var b bytes.Buffer
		w := armor.NewWriter(&b)
		w.Write(data)
		w.Close()
		data = b.Bytes()
	}
	path := filepath.Join(t.TempDir(), "credentials.enc")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := Read(path, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	f.workFactor = 4
	return f
}

// textOf is what the file at path decrypts to.
func textOf(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := File{armored: bytes.HasPrefix(data, []byte(armor.Header))}
	if err := f.decrypt(data, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	whole := map[string]any{}
	text, err := json.Marshal(f.rest)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	return whole
}

const (
	asString = `{"credentials":{"codex":"{\"client_id\":\"app\",\"access_token\":\"at\",\"refresh_token\":\"rt\",\"expires_at\":1795444800123,\"granted_scopes\":[\"openid\",\"email\"],\"extra\":{\"n\":12345678901234567890}}","other":"{\"key\":\"<&>\"}"},"version":7}`
	asObject = `{"version":7,"credentials":{"other":"{\"key\":\"<&>\"}","codex": {"client_id":"app","access_token":"at","refresh_token":"rt","expires_at":1795444800123,"granted_scopes":["openid","email"],"extra":{"n":12345678901234567890}}}}`
)

func TestRead(t *testing.T) {
	for name, path := range map[string]string{
		"string": credentialsFile(t, asString, false), "object": credentialsFile(t, asObject, false), "armored": credentialsFile(t, asString, true),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readFile(t, path).Get(Key)
			if err != nil {
				t.Fatal(err)
			}
			want := time.Date(2026, 11, 23, 14, 40, 0, 123e6, time.UTC)
			if got.ClientID != "app" || got.AccessToken.Reveal() != "at" || got.RefreshToken.Reveal() != "rt" ||
				!got.ExpiresAt.Equal(want) || strings.Join(got.GrantedScopes, " ") != "openid email" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOptionalFields(t *testing.T) {
	path := credentialsFile(t, `{"credentials":{"codex":"{\"client_id\":\"app\",\"access_token\":\"at\",\"granted_scopes\":[]}"}}`, false)
	got, err := readFile(t, path).Get(Key)
	if err != nil || !got.RefreshToken.IsZero() || !got.ExpiresAt.IsZero() || len(got.GrantedScopes) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	var empty File
	_, err = empty.Get(Key)
	wantErr(t, err, codexauth.ErrNotFound, `"codex"`)
}

func TestWriteKeepsTheRest(t *testing.T) {
	next := Login{
		ClientID: "app2", AccessToken: codexauth.NewSecret("at2"),
		ExpiresAt: time.UnixMilli(1795448400456),
	}
	for name, c := range map[string]struct {
		text    string
		armored bool
	}{"string": {asString, false}, "object": {asObject, true}} {
		t.Run(name, func(t *testing.T) {
			path := credentialsFile(t, c.text, c.armored)
			f := readFile(t, path)
			if err := f.Set(Key, next); err != nil {
				t.Fatal(err)
			}
			if err := f.Write(path, []byte(passphrase)); err != nil {
				t.Fatal(err)
			}
			data, _ := os.ReadFile(path)
			if bytes.HasPrefix(data, []byte(armor.Header)) != c.armored {
				t.Error("the form of the file changed")
			}
			whole := textOf(t, path)
			credentials := whole["credentials"].(map[string]any)
			if whole["version"] != 7.0 || credentials["other"] != `{"key":"<&>"}` {
				t.Errorf("something else was changed: %v", whole)
			}
			text, isString := credentials["codex"].(string)
			if isString != (name == "string") {
				t.Errorf("the form of the record changed: %v", credentials["codex"])
			}
			if isString && (!strings.Contains(text, `"expires_at":1795448400456`) || !strings.Contains(text, `"granted_scopes":[]`) ||
				!strings.Contains(text, `"extra":{"n":12345678901234567890}`) || strings.Contains(text, "refresh_token")) {
				t.Errorf("wrote %s", text)
			}
			got, err := readFile(t, path).Get(Key)
			if err != nil || got.AccessToken.Reveal() != "at2" || !got.RefreshToken.IsZero() || !got.ExpiresAt.Equal(next.ExpiresAt) {
				t.Errorf("read %+v, %v", got, err)
			}
		})
	}
}

func TestNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.enc")
	f := &File{workFactor: 4}
	want := Login{ClientID: "app", AccessToken: codexauth.NewSecret("at"), RefreshToken: codexauth.NewSecret("rt"), GrantedScopes: []string{"openid"}}
	if err := f.Set(Key, want); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(path, nil); !errors.Is(err, seal.ErrIdentity) {
		t.Errorf("an empty passphrase gives %v", err)
	}
	if err := f.Write(path, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	const text = `{"access_token":"at","client_id":"app","granted_scopes":["openid"],"refresh_token":"rt"}`
	if got := textOf(t, path)["credentials"].(map[string]any)["codex"]; got != text {
		t.Errorf("wrote %v", got)
	}
	if got, err := readFile(t, path).Get(Key); err != nil || !got.RefreshToken.Equal(want.RefreshToken) {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := f.Set(Key, Login{ExpiresAt: time.UnixMilli(maxMillis + 1)}); !errors.Is(err, ErrForm) {
		t.Errorf("a time out of range gives %v", err)
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	const secret = "rt_a-secret-that-must-not-be-told"
	_, err := Read(credentialsFile(t, asString, false), []byte("another passphrase"))
	wantErr(t, err, seal.ErrPassphrase, "credentials.enc")
	_, err = Read(filepath.Join(t.TempDir(), "none"), nil)
	wantErr(t, err, fs.ErrNotExist)

	sealed := forKey(t, asString)
	whole := encrypted(t, asString, passphrase)
	for name, data := range map[string][]byte{
		"plain JSON": []byte(`{"credentials":{"codex":"` + secret + `"}}`),
		"for a key":  sealed,
		"cut short":  whole[:len(whole)-1],
		"too long":   make([]byte, maxFile+1),
		"no JSON":    encrypted(t, secret, passphrase),
		"null":       encrypted(t, "null", passphrase),
		"a list":     encrypted(t, `{"credentials":["`+secret+`"]}`, passphrase),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials.enc")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path, []byte(passphrase))
			if err == nil || !strings.Contains(err.Error(), path) || name != "too long" && !errors.Is(err, ErrForm) {
				t.Errorf("got %v", err)
			}
			wantNoSecret(t, err, secret)
		})
	}
	for _, value := range []string{
		`null`, `7`, `"` + secret + `"`, `"{"`, `{}`, `"{}"`, `{"access_token":7}`,
		`{"access_token":"` + secret + `","expires_at":-1}`,
		`{"access_token":"` + secret + `","expires_at":1.5}`,
		`{"access_token":"` + secret + `","expires_at":1e300}`,
		`{"access_token":"` + secret + `","expires_at":"` + secret + `"}`,
	} {
		f := readFile(t, credentialsFile(t, `{"credentials":{"codex":`+value+`}}`, false))
		_, err := f.Get(Key)
		wantErr(t, err, ErrForm, `"codex"`)
		wantNoSecret(t, err, secret)
	}
}

func FuzzAether(f *testing.F) {
	f.Add([]byte(asString))
	f.Add([]byte(asObject))
	f.Add([]byte(`{"credentials":{"codex":"{\"access_token\":\"a\",\"expires_at\":1e3}"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var ref File
		if ref.parse(text) != nil {
			return
		}
		before, err := ref.Get(Key)
		if err != nil {
			return
		}
		if err := ref.Set(Key, before); err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		after, err := ref.Get(Key)
		if err != nil || !after.AccessToken.Equal(before.AccessToken) || !after.RefreshToken.Equal(before.RefreshToken) || !after.ExpiresAt.Equal(before.ExpiresAt) {
			t.Fatalf("%+v became %+v, %v", before, after, err)
		}
	})
}

// encrypted is text encrypted with a passphrase, at next to no cost.
func encrypted(t testing.TB, text, passphrase string) []byte {
	t.Helper()
	data, err := encrypt([]byte(text), []byte(passphrase), 4)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// forKey is text encrypted for a key.
func forKey(t testing.TB, text string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.WriteNew(path); err != nil {
		t.Fatal(err)
	}
	s, err := seal.OpenFile(path, seal.UI{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

var wantErr, wantNoSecret = check.Error, check.NoSecret
