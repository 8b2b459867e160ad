package toolfile

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// line is an edit that puts a line first.
type line string

func (l line) SetUp(text string) (string, json.RawMessage, error) {
	if strings.Contains(text, "invalid") {
		return "", nil, errors.New("not valid")
	}
	return string(l) + "\n" + text, json.RawMessage(`"note"`), nil
}

func (l line) TakeOut(text string, notes json.RawMessage) (string, error) {
	if string(notes) != `"note"` {
		return "", errors.New("these are not its notes")
	}
	return strings.Replace(text, string(l)+"\n", "", 1), nil
}

func setUp(t *testing.T, path string, e Edit, secret bool) Outcome {
	t.Helper()
	p, err := Prepare(path, e, secret)
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.Make()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func wantAlone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("there are %q, want %q", got, names)
	}
}

// What an undo leaves is what stood there before, byte for byte, with its mode, and
// nothing beside it; however often it was set up.
func TestUndoIsExact(t *testing.T) {
	for name, before := range map[string]string{"text": "\ufeffmine\r\n\n# x", "nothing in it": "", "no file": "-"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			if before != "-" {
				write(t, path, before, 0o644)
			}
			o := setUp(t, path, line("one"), true)
			if !o.Changed || o.Tightened != (before != "-" && runtime.GOOS != "windows") || (o.Backup == "") != (before == "-") {
				t.Errorf("%+v", o)
			}
			if f, err := Read(path); err != nil || f.Exposed() || !IsSetUp(path) {
				t.Errorf("mode %v, %v", f.Mode, err)
			}
			if o := setUp(t, path, line("one"), true); o.Changed {
				t.Error("a second time changes something")
			}
			if o := setUp(t, path, line("two"), true); !o.Changed || content(t, path) != "two\n"+strings.TrimPrefix(before, "-") {
				t.Errorf("another: %q", content(t, path))
			}
			if o, err := Undo(path, line("two")); err != nil || !o.Changed || o.Rewritten {
				t.Fatalf("%+v, %v", o, err)
			}
			if before == "-" {
				wantAlone(t, dir)
				return
			}
			wantAlone(t, dir, "f")
			if f, err := Read(path); err != nil || f.Text != before || f.Mode != 0o644 && runtime.GOOS != "windows" {
				t.Errorf("%+v, %v", f, err)
			}
			if o, err := Undo(path, line("two")); err != nil || o.Changed {
				t.Errorf("a second undo: %+v, %v", o, err)
			}
		})
	}
}

// Of a file that was rewritten since, only the settings are taken out, and the backup
// is kept.
func TestUndoOfRewritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "mine\n", 0o600)
	first := setUp(t, path, line("one"), false)
	write(t, path, "one\nmine\nmore\n", 0o600)
	// Set up again, what was there before is the file without the settings: here, those of
	// another edit stay.
	if o := setUp(t, path, line("two"), false); content(t, path) != "two\none\nmine\nmore\n" || o.Backup == first.Backup {
		t.Errorf("%+v, %q", o, content(t, path))
	}
	write(t, path, content(t, path)+"again\n", 0o600)
	o, err := Undo(path, line("two"))
	if err != nil || !o.Rewritten || content(t, path) != "one\nmine\nmore\nagain\n" || content(t, first.Backup) != "mine\n" {
		t.Errorf("%+v, %v: %q", o, err, content(t, path))
	}
	if IsSetUp(path) {
		t.Error("it counts as set up")
	}
}

func TestNothingLost(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "invalid", 0o600)
	if _, err := Prepare(path, line("one"), false); err == nil || !strings.Contains(err.Error(), "left as it is") {
		t.Errorf("%v", err)
	}
	wantAlone(t, dir, "f")

	write(t, path, "mine\n", 0o600)
	p, err := Prepare(path, line("one"), false)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "theirs\n", 0o600)
	if _, err := p.Make(); !errors.Is(err, ErrChanged) || content(t, path) != "theirs\n" {
		t.Errorf("changed between: %v", err)
	}
	wantAlone(t, dir, "f")

	write(t, path, "mine\n", 0o400)
	if p, err = Prepare(path, line("one"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	wantAlone(t, dir, "f")
}

// Whoever dies between the note and the file has changed nothing, and an undo says so.
func TestDeadBeforeTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "mine\n", 0o600)
	setUp(t, path, line("one"), false)
	write(t, path, "mine\n", 0o600) // as it was
	if o, err := Undo(path, line("one")); err != nil || o.Changed || content(t, path) != "mine\n" {
		t.Errorf("%+v, %v", o, err)
	}
	setUp(t, path, line("one"), false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if o, err := Undo(path, line("one")); err != nil || o.Changed {
		t.Errorf("without the file: %+v, %v", o, err)
	}
	if setUp(t, path, line("one"), false); content(t, path) != "one\n" {
		t.Errorf("again: %q", content(t, path))
	}
}

func TestFollowsLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a link takes a right of its own there")
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	link, target := filepath.Join(dir, "f"), filepath.Join(elsewhere, "g")
	write(t, target, "mine\n", 0o600)
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	setUp(t, link, line("one"), false)
	if content(t, target) != "one\nmine\n" || !IsSetUp(link) {
		t.Errorf("%q", content(t, target))
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
	if _, err := Undo(link, line("one")); err != nil || content(t, target) != "mine\n" {
		t.Errorf("%v: %q", err, content(t, target))
	}
	wantAlone(t, elsewhere, "g")
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(link, line("one"), false); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("%v", err)
	}
}
