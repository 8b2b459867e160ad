package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"codexauth/internal/rig/check"
)

// TestMain lets the test binary be an age plugin as well, under the name that it
// is called by. What it was asked to do it appends to the file pluginLog names.
func TestMain(m *testing.M) {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if name, ok := strings.CutPrefix(name, "age-plugin-"); ok {
		os.Exit(pluginMain(name))
	}
	os.Exit(m.Run())
}

const (
	pluginLog = "CODEXAUTH_TEST_PLUGIN_LOG"
	pluginPIN = "4711"
)

// pluginMain is the plugin NAME: "plain" asks nobody, "pin" wants a PIN to
// unwrap, "chatty" a touch and a yes, "broken" fails, "silent" ends without a word. An identity's data is the
// text of an X25519 identity.
func pluginMain(name string) int {
	if name == "silent" {
		return 3
	}
	p, err := plugin.New(name)
	if err != nil {
		return 2
	}
	parse := func(data []byte) (*pluginKey, error) {
		if name == "broken" {
			return nil, errors.New("the token\x1b[31m is\nlocked; it answered " + strings.Repeat("c2VjcmV0", 8))
		}
		id, err := age.ParseX25519Identity(string(data))
		return &pluginKey{id, p}, err
	}
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return parse(data) })
	p.HandleIdentityAsRecipient(func(data []byte) (age.Recipient, error) { return parse(data) })
	return p.Main()
}

type pluginKey struct {
	id *age.X25519Identity
	p  *plugin.Plugin
}

func (k *pluginKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	logPlugin("wrap")
	return k.id.Recipient().Wrap(fileKey)
}

func (k *pluginKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	logPlugin("unwrap")
	if k.p.Name() == "pin" {
		pin, err := k.p.RequestValue("the\x07 PIN", true)
		if err != nil {
			return nil, err
		}
		if pin != pluginPIN {
			return nil, errors.New("wrong PIN")
		}
	}
	if k.p.Name() == "chatty" {
		k.p.DisplayMessage("touch\x1b the\ntoken") // goes on if nobody sees it
		if yes, err := k.p.Confirm("really?", "go\x07 on", "stop"); err != nil || !yes {
			return nil, errors.New("not confirmed")
		}
	}
	return k.id.Unwrap(stanzas)
}

func logPlugin(what string) {
	f, err := os.OpenFile(os.Getenv(pluginLog), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, what)
	f.Close()
}

// installPlugins puts the plugins into PATH, alone, and returns a function that
// tells what they were asked to do since it was last called.
func installPlugins(t *testing.T, names ...string) (asked func() string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, "age-plugin-"+name)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		// No link to a program that runs can be removed on Windows.
		if runtime.GOOS == "windows" || os.Link(self, path) != nil {
			data, err := os.ReadFile(self)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("PATH", dir)
	t.Setenv(pluginLog, log)
	return func() string {
		data, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		os.Remove(log)
		return strings.Join(strings.Fields(string(data)), " ")
	}
}

// pluginLine is a new identity of the plugin NAME.
func pluginLine(t *testing.T, name string) string {
	t.Helper()
	return plugin.EncodeIdentity(name, []byte(classicLine(t)))
}

func classicLine(t testing.TB) string {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func hybridLine(t testing.TB) string {
	t.Helper()
	id, _, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return id.Reveal()
}

// keyFile writes lines to a new identity file.
func keyFile(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFile(t testing.TB, path string, ui UI) *Sealer {
	t.Helper()
	s, err := OpenFile(path, ui)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quick is a Sealer by passphrase whose scrypt costs next to nothing.
func quick(passphrase string) *Sealer {
	return byPassphrase(func(bool) ([]byte, error) { return []byte(passphrase), nil }, 4)
}

// encrypted is text encrypted with a passphrase, at next to no cost.
func encrypted(t testing.TB, text, passphrase string) []byte {
	t.Helper()
	r, err := scryptRecipient([]byte(passphrase), 4)
	if err != nil {
		t.Fatal(err)
	}
	data, err := new(Sealer).encrypt([]byte(text), []age.Recipient{r})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustSeal(t testing.TB, s *Sealer, plain string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(plain)) {
		t.Fatal("it is not encrypted")
	}
	return sealed
}

func mustOpen(t testing.TB, s *Sealer, sealed []byte, want string) {
	t.Helper()
	plain, err := s.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if string(plain) != want {
		t.Fatalf("opened %q", plain)
	}
}

var wantErr, wantNoSecret = check.Error, check.NoSecret
