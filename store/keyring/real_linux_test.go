package keyring

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/internal/rig/keyringtest"
	"codexauth/seal"
	"codexauth/store/storetest"
)

// A rig is a session with a directory for a store.
type rig struct {
	*keyringtest.Session
	dir string
	env []string // more of it
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s := keyringtest.Start(t)
	return &rig{Session: s, dir: filepath.Join(s.Dir, "store")}
}

// unlocked is a rig with a real keyring.
func unlocked(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.Unlock(t)
	return r
}

// child prepares a process that plays a part. It waits for the end of what is
// returned beside it.
func (r *rig) child(t *testing.T, part string) (*exec.Cmd, io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = r.Env(append([]string{partVar + "=" + part, dirVar + "=" + r.dir}, r.env...)...)
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return cmd, hold
}

// play has a process of its own play a part.
func (r *rig) play(t *testing.T, part string) said {
	t.Helper()
	cmd, hold := r.child(t, part)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hold.Close()
	defer time.AfterFunc(giveUp, func() { cmd.Process.Kill() }).Stop()
	err := cmd.Wait()
	var s said
	if jsonErr := json.Unmarshal(out.Bytes(), &s); err != nil || jsonErr != nil {
		t.Fatalf("%s: %v: %s", part, err, &out)
	}
	if strings.Contains(s.Message, "AGE-SECRET-KEY") || strings.Contains(s.Message, "rt-") {
		t.Errorf("%s: the error holds a secret", part)
	}
	return s
}

// wantKind wants a part to fail that way, within a time, and to say all texts.
func (r *rig) wantKind(t *testing.T, part, kind string, within time.Duration, texts ...string) {
	t.Helper()
	s := r.play(t, part)
	if s.Kind != kind {
		t.Fatalf("%s: kind %q, want %q: %s", part, s.Kind, kind, s.Message)
	}
	for _, text := range texts {
		if !strings.Contains(s.Message, text) {
			t.Errorf("%s: the error does not say %q: %s", part, text, s.Message)
		}
	}
	if s.Took > within {
		t.Errorf("%s took %v, want at most %v", part, s.Took, within)
	}
}

func (r *rig) wantFine(t *testing.T, part string) said {
	t.Helper()
	s := r.play(t, part)
	if s.Kind != "" {
		t.Fatalf("%s: %s", part, s.Message)
	}
	return s
}

// wantNothingLeft wants no process and no file of ours but those of a store.
func (r *rig) wantNothingLeft(t *testing.T) {
	t.Helper()
	if left := r.Strangers(t); len(left) > 0 {
		t.Errorf("processes were left behind: %q", left)
	}
}

// giveUp is how long a part may take at all.
const giveUp = 30 * time.Second

// soon is well below any of the waits that a test gives up after.
const soon = 2500 * time.Millisecond

// The contract of a store, with real processes, every record sealed with a key
// that each process fetches from a real keyring.
func TestStore(t *testing.T) {
	r := unlocked(t)
	for _, v := range []string{"DBUS_SESSION_BUS_ADDRESS=" + r.Address, "XDG_RUNTIME_DIR=" + r.Dir} {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	storetest.Run(t, newPlace)
}

// A login is stored sealed; its key is in the keyring, and nowhere else.
func TestKeyring(t *testing.T) {
	r := unlocked(t)
	r.wantKind(t, "token work", "signed out", soon)
	if n := len(r.Items(t)); n != 0 {
		t.Errorf("%d items in the keyring before anything was sealed", n)
	}
	if _, err := os.Stat(r.dir); !os.IsNotExist(err) {
		t.Errorf("reading made the directory: %v", err)
	}
	r.wantFine(t, "import work")
	r.wantFine(t, "import home")
	if got := r.wantFine(t, "token work").Token; got != someLoginToken(got, "work") {
		t.Errorf("another token came back")
	}
	secrets := r.Secrets(t)
	if len(secrets) != 1 || len(secrets[0]) != 77 || !strings.HasPrefix(secrets[0], "AGE-SECRET-KEY-PQ-1") {
		t.Fatalf("%d items, want one of 77 characters", len(secrets))
	}
	files, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(r.dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{secrets[0], "rt-work", "rt-home", "eyJhbGciO"} { // less of them comes by chance
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s shows a secret", f.Name())
			}
		}
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	r.wantNothingLeft(t)
}

// someLoginToken is token if that is of the login of that name.
func someLoginToken(token, name string) string {
	parts := strings.Split(token, ".")
	want := strings.Split(someLogin(name).AccessToken.Reveal(), ".")
	if len(parts) != 3 || len(parts[1]) != len(want[1]) {
		return ""
	}
	return token
}

// Processes that need a key at the same moment end up with one.
func TestKeyIsMadeOnce(t *testing.T) {
	r := unlocked(t)
	const processes = 12
	var all sync.WaitGroup
	var holds []io.Closer
	outs := make([]bytes.Buffer, processes)
	for n := range processes {
		cmd, hold := r.child(t, "import p"+string(rune('a'+n)))
		cmd.Stdout, cmd.Stderr = &outs[n], &outs[n]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		holds = append(holds, hold)
		all.Go(func() { cmd.Wait() })
	}
	for _, hold := range holds {
		hold.Close()
	}
	all.Wait()
	for n := range processes {
		var s said
		if err := json.Unmarshal(outs[n].Bytes(), &s); err != nil || s.Kind != "" {
			t.Errorf("process %d: %s", n, &outs[n])
		}
	}
	if n := len(r.Items(t)); n != 1 {
		t.Errorf("%d items in the keyring, want one", n)
	}
	for n := range processes {
		r.wantFine(t, "token p"+string(rune('a'+n)))
	}
}

// Whose item is gone is told so; nothing new takes its place while something is
// left that it sealed.
func TestItemDeleted(t *testing.T) {
	r := unlocked(t)
	r.wantFine(t, "import work")
	before, err := os.ReadFile(filepath.Join(r.dir, "record-work"))
	if err != nil {
		t.Fatal(err)
	}
	r.DeleteItems(t)
	r.wantKind(t, "token work", "missing", soon, r.dir, "profile rm")
	r.wantKind(t, "import work", "missing", soon)
	r.wantKind(t, "import other", "missing", soon, `"work"`)
	if n := len(r.Items(t)); n != 0 {
		t.Errorf("%d items were made", n)
	}
	after, err := os.ReadFile(filepath.Join(r.dir, "record-work"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the record was changed (%v)", err)
	}
	if err := os.Remove(filepath.Join(r.dir, "record-work")); err != nil { // as `profile rm` does
		t.Fatal(err)
	}
	r.wantFine(t, "import work")
	r.wantFine(t, "token work")
}

// What is in the directory and not of this keyring is told apart and left alone.
func TestForeignRecords(t *testing.T) {
	r := unlocked(t)
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	plain := `codexauth-record v1 json 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a` + "\n{}"
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, "record-"+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", plain)
	r.wantKind(t, "token plain", "not sealed", soon)
	r.wantKind(t, "import plain", "not sealed", soon)
	// A plain one is no reason not to make a key; one that another key sealed is.
	write("sealed", sealedElsewhere(t))
	r.wantKind(t, "token sealed", "wrong key", soon, "--identity-file")
	r.wantKind(t, "import work", "wrong key", soon, `"sealed"`)
	if n := len(r.Items(t)); n != 0 {
		t.Errorf("%d items were made", n)
	}
	if err := os.Remove(filepath.Join(r.dir, "record-sealed")); err != nil {
		t.Fatal(err)
	}
	r.wantFine(t, "import work")
	write("sealed", sealedElsewhere(t))
	r.wantKind(t, "token sealed", "wrong key", soon)
	r.wantFine(t, "token work")
}

// sealedElsewhere is a record that was sealed with a key file.
func sealedElsewhere(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.WriteNew(path); err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.OpenFile(path, seal.UI{})
	if err != nil {
		t.Fatal(err)
	}
	return string(recordOf(t, sealer, "sealed"))
}
