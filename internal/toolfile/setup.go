package toolfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
)

// An Edit puts settings into the text of a file.
type Edit interface {
	// SetUp returns the text with the settings in it, and notes with which TakeOut
	// puts back what they took the place of.
	SetUp(text string) (edited string, notes json.RawMessage, err error)
	// TakeOut takes the settings out of a text that the program has rewritten since.
	// What is not there any more is no error.
	TakeOut(text string, notes json.RawMessage) (string, error)
}

// A record is kept beside a file that was set up, for this user alone: what was
// replaced may be a key.
type record struct {
	Backup string          `json:"backup,omitempty"` // its name, beside the file; none if there was no file
	Mode   fs.FileMode     `json:"mode"`             // before
	Wrote  string          `json:"wrote"`            // the SHA-256 of what was written
	Notes  json.RawMessage `json:"notes,omitempty"`
}

func recordPath(path string) string { return path + ".codexauth-setup" }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// An Outcome is what became of a file.
type Outcome struct {
	Path      string
	Changed   bool
	Backup    string // of what was there before, if it is kept
	Tightened bool   // other users could read it before
	Rewritten bool   // at an undo: somebody else had changed it since
}

// A Plan is a change of one file that is not made yet.
type Plan struct {
	Text string // what the file is to be

	file   File
	rec    record
	plain  string // what stood there before anything of ours
	exists bool   // it stood there
	kept   bool   // its backup is there
}

// Prepare works out what SetUp would do, and changes nothing. secret says that other
// users must not read the result.
func Prepare(path string, e Edit, secret bool) (*Plan, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	p := &Plan{file: f, plain: f.Text, exists: f.Exists}
	p.rec.Mode = f.Mode
	if err := p.before(e); err != nil {
		return nil, err
	}
	if p.Text, p.rec.Notes, err = e.SetUp(p.plain); err != nil {
		return nil, fmt.Errorf("%s is left as it is: %w", f.Path, err)
	}
	p.rec.Wrote = hash(p.Text)
	if secret && runtime.GOOS != "windows" { // modes say nothing there
		p.file.Mode &^= 0o077
	}
	return p, nil
}

// before finds what stood in the file before an earlier SetUp.
func (p *Plan) before(e Edit) error {
	old, found, err := readRecord(p.file.Path)
	if err != nil || !found || !p.file.Exists {
		return err
	}
	if old.Wrote != hash(p.file.Text) {
		if p.plain, err = e.TakeOut(p.file.Text, old.Notes); err != nil {
			return fmt.Errorf("%s is left as it is: %w", p.file.Path, err)
		}
		return nil
	}
	p.rec.Mode, p.exists = old.Mode, old.Backup != ""
	p.plain = ""
	if p.exists {
		data, err := atomicfile.Read(backupOf(p.file.Path, old), maxSize, nil)
		if err != nil {
			return fmt.Errorf("the backup of %s can't be read: %w", p.file.Path, err)
		}
		p.plain, p.rec.Backup, p.kept = string(data), old.Backup, true
	}
	return nil
}

func backupOf(path string, r record) string {
	return filepath.Join(filepath.Dir(path), filepath.Base(r.Backup))
}

// Changes reports whether the plan changes anything.
func (p *Plan) Changes() bool { return p.Text != p.file.Text || p.tightens() }

func (p *Plan) tightens() bool {
	return p.file.Exists && p.file.Mode != p.rec.Mode && !p.kept
}

// Path is the file that is changed.
func (p *Plan) Path() string { return p.file.Path }

// Make makes the change. Where it dies on its way, [Undo] knows what was there.
func (p *Plan) Make() (o Outcome, err error) {
	o.Path = p.file.Path
	if !p.Changes() {
		return o, nil
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return o, err
	}
	if err := p.file.unchanged(); err != nil {
		return o, err
	}
	if p.exists && !p.kept {
		backup, err := CopyAway(o.Path, []byte(p.plain), p.file.Mode)
		if err != nil {
			return o, err
		}
		p.rec.Backup = filepath.Base(backup)
	}
	if p.exists {
		o.Backup = backupOf(o.Path, p.rec)
	}
	if err := writeRecord(o.Path, p.rec); err != nil {
		return o, err
	}
	o.Changed, o.Tightened = true, p.tightens()
	if o.Tightened { // before a secret stands in it
		if err := os.Chmod(o.Path, p.file.Mode); err != nil {
			return o, err
		}
	}
	return o, p.file.put(p.Text)
}

// Undo puts back what stood in the file at path before it was set up, byte for byte.
// Where the program rewrote it since, only the settings are taken out; the backup is
// kept then.
func Undo(path string, e Edit) (o Outcome, err error) {
	f, err := Read(path)
	if err != nil {
		return o, err
	}
	o.Path = f.Path
	r, found, err := readRecord(f.Path)
	if err != nil || !found {
		return o, err
	}
	if !f.Exists { // and there is nothing to take out
		return o, removeRecord(f.Path)
	}
	if r.Wrote == hash(f.Text) {
		return o, o.restore(f, r)
	}
	text, err := e.TakeOut(f.Text, r.Notes)
	if err != nil {
		return o, fmt.Errorf("%s is left as it is: %w", f.Path, err)
	}
	o.Rewritten, o.Changed = true, text != f.Text
	switch rest := strings.TrimSpace(text); {
	case r.Backup != "":
		o.Backup = backupOf(f.Path, r)
	case rest == "" || rest == "{}": // as it was: there was no file
		o.Rewritten, text = false, ""
	}
	if o.Changed {
		if _, err := f.Replace(text, false); err != nil {
			return o, err
		}
	}
	return o, removeRecord(f.Path)
}

// restore puts the backup back in place of what was written.
func (o *Outcome) restore(f File, r record) error {
	if err := f.unchanged(); err != nil {
		return err
	}
	o.Changed = true
	f.Mode = r.Mode
	if r.Backup == "" {
		return errors.Join(f.put(""), removeRecord(f.Path))
	}
	backup := backupOf(f.Path, r)
	data, err := atomicfile.Read(backup, maxSize, nil)
	if err != nil {
		return fmt.Errorf("the backup of %s can't be read: %w", f.Path, err)
	}
	if err := Write(f.Path, data, atomicfile.Options{Mode: f.Mode}); err != nil {
		return err
	}
	return errors.Join(removeRecord(f.Path), atomicfile.Remove(backup))
}

// IsSetUp reports whether the file at path was set up and not undone since.
func IsSetUp(path string) bool {
	f, err := Read(path)
	if err != nil || !f.Exists {
		return false
	}
	_, found, err := readRecord(f.Path)
	return found && err == nil
}

func readRecord(path string) (r record, found bool, err error) {
	data, err := atomicfile.Read(recordPath(path), maxSize, func(info fs.FileInfo) error {
		return private.CheckFile(recordPath(path), info)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil && json.Unmarshal(data, &r) != nil {
		err = fmt.Errorf("%s, the note of an earlier setup, can't be read; remove it", recordPath(path))
	}
	return r, err == nil, err
}

func writeRecord(path string, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return Write(recordPath(path), append(data, '\n'), atomicfile.Options{})
}

func removeRecord(path string) error { return removeFile(recordPath(path)) }
