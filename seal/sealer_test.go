package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"codexauth"
)

const plain = `{"key":"default","login":"a login","credential":{"refresh_token":"a refresh token"}}`

func TestNativeIdentities(t *testing.T) {
	for name, line := range map[string]string{"hybrid": hybridLine(t), "x25519": classicLine(t)} {
		t.Run(name, func(t *testing.T) {
			path := keyFile(t, "\ufeff# a comment", "", line+"\r") // as an editor on Windows leaves it
			s := openFile(t, path, UI{})
			sealed := mustSeal(t, s, plain)
			mustOpen(t, openFile(t, path, UI{}), sealed, plain)
			if bytes.Equal(sealed, mustSeal(t, s, plain)) {
				t.Error("two seals are the same bytes")
			}
			if s.Format() != "age" {
				t.Errorf("format %q", s.Format())
			}
			// It is a plain age file.
			ids, err := age.ParseIdentities(strings.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := age.Decrypt(bytes.NewReader(sealed), ids...); err != nil {
				t.Errorf("package age does not open it: %v", err)
			}
			_, err = openFile(t, keyFile(t, hybridLine(t)), UI{}).Open(sealed)
			wantErr(t, err, codexauth.ErrWrongKey, "key.txt")
		})
	}
}

func TestEveryIdentityOfTheFileOpens(t *testing.T) {
	a, b := hybridLine(t), hybridLine(t)
	sealed := mustSeal(t, openFile(t, keyFile(t, a, b), UI{}), plain)
	mustOpen(t, openFile(t, keyFile(t, a), UI{}), sealed, plain)
	mustOpen(t, openFile(t, keyFile(t, b), UI{}), sealed, plain)
}

func TestEncryptedIdentityFile(t *testing.T) {
	line := classicLine(t)
	binary := encrypted(t, "# made today\n"+line+"\n", "open sesame")
	var armored bytes.Buffer
	w := armor.NewWriter(&armored)
	w.Write(binary)
	w.Close()
	sealed := mustSeal(t, openFile(t, keyFile(t, line), UI{}), plain)
	for name, content := range map[string][]byte{"binary": binary, "armored": armored.Bytes()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.age")
			if err := os.WriteFile(path, content, 0o400); err != nil {
				t.Fatal(err)
			}
			asked, answer := 0, "wrong"
			ui := UI{Passphrase: func(what string, confirm bool) ([]byte, error) {
				if what != path || confirm {
					t.Errorf("asked for %q, confirm %v", what, confirm)
				}
				asked++
				return []byte(answer), nil
			}}
			s := openFile(t, path, ui)
			_, err := s.Open(sealed)
			wantErr(t, err, ErrPassphrase, path)
			answer = "open sesame"
			mustOpen(t, s, sealed, plain)
			mustOpen(t, s, mustSeal(t, s, plain), plain)
			if asked != 2 {
				t.Errorf("asked %d times", asked)
			}
			_, err = openFile(t, path, UI{}).Open(sealed)
			wantErr(t, err, ErrNeedsTerminal, path)
		})
	}
}

func TestIdentityFileThatMustNotBeUsed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	path := keyFile(t, hybridLine(t))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFile(link, UI{})
	wantErr(t, err, ErrIdentity, link, "symbolic link")
	_, err = OpenFile(filepath.Dir(path), UI{})
	wantErr(t, err, ErrIdentity, "not a regular file")
	_, err = OpenFile(path+".no", UI{})
	wantErr(t, err, os.ErrNotExist, "key.txt.no")
	wantErr(t, err, ErrIdentity)
	s := openFile(t, path, UI{})
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err = OpenFile(path, UI{})
		wantErr(t, err, ErrIdentity, "chmod 600 \""+path+"\"")
		_, err = s.Seal(nil) // opened in time, but changed before it was read
		wantErr(t, err, ErrIdentity, "chmod 600 \""+path+"\"")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	mustSeal(t, s, plain)
}

func TestMalformedIdentityFile(t *testing.T) {
	good, classic := hybridLine(t), classicLine(t)
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"empty":          {"", "no identity"},
		"comments":       {"# nothing\n", "no identity"},
		"recipient":      {"# x\nage1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n", "line 2"},
		"ssh":            {"-----BEGIN OPENSSH PRIVATE KEY-----\n", "SSH"},
		"cut short":      {good[:70], "line 1"},
		"mistyped":       {classic[:30] + "Q" + classic[30:], "mistyped"},
		"token":          {"rt_a-secret-that-was-pasted-here", "not an age identity"},
		"bad plugin":     {"AGE-PLUGIN-X-1QQQQ", "mistyped"},
		"mixed kinds":    {good + "\n" + classic, "keep one kind"},
		"for a key":      {string(mustSeal(t, openFile(t, keyFile(t, classic), UI{}), plain)), "another key"},
		"altered armor":  {armor.Header + "\n" + good + "\n", "altered"},
		"altered binary": {string(encrypted(t, good, "p"))[:180], "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			ui := UI{Passphrase: func(string, bool) ([]byte, error) { return []byte("p"), nil }}
			s, err := Identities(strings.NewReader(c.text), "descriptor 5", ui)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Seal([]byte(plain))
			wantErr(t, err, ErrIdentity, "descriptor 5", c.says)
			wantNoSecret(t, err, good[20:], classic[17:], "rt_a-secret-that-was-pasted-here")
		})
	}
	_, err := Identities(strings.NewReader(strings.Repeat("#", maxIdentityFile+1)), "descriptor 5", UI{})
	wantErr(t, err, ErrIdentity, "longer")
}

// Every byte of a sealed record is flipped, and the record is cut at every
// length.
func TestAlteredRecord(t *testing.T) {
	for name, s := range map[string]*Sealer{"x25519": openFile(t, keyFile(t, classicLine(t)), UI{}), "passphrase": quick("a passphrase")} {
		t.Run(name, func(t *testing.T) {
			sealed := mustSeal(t, s, plain)
			footer := bytes.Index(sealed, []byte("\n--- "))
			for at := range sealed {
				bad := bytes.Clone(sealed)
				bad[at] ^= 1
				got, err := s.Open(bad)
				wrong := errors.Is(err, codexauth.ErrWrongKey)
				if got != nil || !wrong && !errors.Is(err, codexauth.ErrDamaged) || wrong && at > footer {
					t.Errorf("byte %d of %d (footer at %d): %q, %v", at, len(sealed), footer, got, err)
				}
				wantNoSecret(t, err, plain)
				if got, err := s.Open(sealed[:at]); got != nil || !errors.Is(err, codexauth.ErrDamaged) {
					t.Errorf("cut to %d bytes: %q, %v", at, got, err)
				}
			}
			_, err := s.Open(append(bytes.Clone(sealed), 'x'))
			wantErr(t, err, codexauth.ErrDamaged)
			_, err = s.Open([]byte(plain))
			wantErr(t, err, codexauth.ErrDamaged)
			wantNoSecret(t, err, plain)
			mustOpen(t, s, sealed, plain)
		})
	}
}

func TestSealerDoesNotPrintItsKey(t *testing.T) {
	line := hybridLine(t)
	path := keyFile(t, line)
	native, byWord := openFile(t, path, UI{}), quick("correct horse battery staple")
	for _, s := range []*Sealer{native, byWord} {
		mustSeal(t, s, plain)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			text := fmt.Sprintf(verb, s)
			if strings.Contains(text, line[20:40]) || strings.Contains(text, "horse") || strings.Contains(text, "0x") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

func TestKeyIsReadOnce(t *testing.T) {
	path := keyFile(t, hybridLine(t))
	s := openFile(t, path, UI{})
	sealed := mustSeal(t, s, plain)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, s, sealed, plain)
	mustSeal(t, s, plain)
}

func TestConcurrentUseAsksOnce(t *testing.T) {
	sealed := mustSeal(t, quick("word"), plain)
	var asked atomic.Int32
	s := byPassphrase(func(bool) ([]byte, error) { asked.Add(1); return []byte("word"), nil }, 4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := s.Open(sealed); err != nil || string(got) != plain {
				t.Errorf("%q, %v", got, err)
			}
			if again, err := s.Seal([]byte(plain)); err != nil {
				t.Error(err)
			} else if _, err := s.Open(again); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked.Load() != 1 || len(s.opened) != 1 {
		t.Errorf("asked %d times, %d envelopes", asked.Load(), len(s.opened))
	}
}

// A key that is kept elsewhere is fetched when it is needed, until it is there.
func TestFetched(t *testing.T) {
	identity, _, err := New()
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("it is away")
	var asked []bool
	have := codexauth.Secret{}
	s := Fetched("the drawer", func(sealing bool) (codexauth.Secret, error) {
		asked = append(asked, sealing)
		if have.IsZero() {
			return have, away
		}
		return have, nil
	})
	if !s.SealedOnly() || len(asked) != 0 {
		t.Errorf("strict %v, asked %v", s.SealedOnly(), asked)
	}
	_, err = s.Open([]byte("x"))
	wantErr(t, err, away)
	_, err = s.Seal(nil)
	wantErr(t, err, away)
	have = codexauth.NewSecret("hunter2")
	if _, err = s.Seal(nil); !errors.Is(err, ErrIdentity) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	have = identity
	sealed, err := s.Seal([]byte("a login"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := s.Open(sealed); err != nil || string(plain) != "a login" {
		t.Errorf("%q, %v", plain, err)
	}
	if text, err := s.Handover(); err != nil || string(text) != identity.Reveal()+"\n" {
		t.Errorf("the key that is handed over is another (%v)", err)
	}
	if want := []bool{false, true, true, true}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}
