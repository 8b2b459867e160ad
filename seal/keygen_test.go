package seal

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
)

func TestNew(t *testing.T) {
	id, recipient, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if len(id.Reveal()) != 77 || !strings.HasPrefix(recipient, "age1pq1") {
		t.Errorf("%d characters, recipient %.10s", len(id.Reveal()), recipient)
	}
	if again, _, _ := New(); again.Equal(id) {
		t.Error("the same identity twice")
	}
}

func TestWriteNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.txt")
	recipient, err := WriteNew(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "# created: 2") || lines[1] != "# public key: "+recipient {
		t.Errorf("%d lines, the first ones %.40q %.40q", len(lines), lines[0], lines[1])
	}
	// The age program reads it, and what is sealed for the recipient opens with it.
	if ids, err := age.ParseIdentities(strings.NewReader(string(text))); err != nil || len(ids) != 1 {
		t.Errorf("package age reads %d identities, %v", len(ids), err)
	}
	r, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := new(Sealer).encrypt([]byte(plain), []age.Recipient{r})
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, openFile(t, path, UI{}), sealed, plain)

	_, err = WriteNew(path)
	wantErr(t, err, fs.ErrExist, path)
	if now, _ := os.ReadFile(path); string(now) != string(text) {
		t.Error("a key was overwritten")
	}
	_, err = WriteNew(filepath.Join(path, "under-a-file"))
	if err == nil {
		t.Error("wrote a key under a file")
	}
}
