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
	"time"

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
	Found  string          `json:"found,omitempty"`  // the SHA-256 of what stood there before, if there was a file
	Wrote  string          `json:"wrote"`            // the SHA-256 of what was written
	Former string          `json:"former,omitempty"` // and of what an earlier setup wrote, in whose place that is
	Notes  json.RawMessage `json:"notes,omitempty"`
}

// wrote reports whether text is a setup's, with nothing of anybody else in it.
func (r record) wrote(text string) bool {
	h := hash(text)
	return h == r.Wrote || h == r.Former
}

// untouched reports whether text is what stood there before: whoever set it up, or
// took that back, died on the way.
func (r record) untouched(text string) bool { return r.Found != "" && r.Found == hash(text) }

// staleTemp is the age at which a temporary file is that of a process which has died.
const staleTemp = time.Hour

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

	mode fs.FileMode // of the file as it is now
	old  *record     // of an earlier SetUp
}

// Prepare works out what SetUp would do, and changes nothing. secret says that other
// users must not read the result.
func Prepare(path string, e Edit, secret bool) (*Plan, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	p := &Plan{file: f, plain: f.Text, exists: f.Exists, mode: f.Mode}
	p.rec.Mode = f.Mode
	if err := p.before(e); err != nil {
		return nil, err
	}
	if p.Text, p.rec.Notes, err = e.SetUp(p.plain); err != nil {
		return nil, fmt.Errorf("%s is left as it is: %w", f.Path, err)
	}
	p.rec.Wrote = hash(p.Text)
	if p.exists {
		p.rec.Found = hash(p.plain)
	}
	if secret && runtime.GOOS != "windows" { // modes say nothing there
		p.file.Mode &^= 0o077
	}
	return p, nil
}

// before finds what stood in the file before an earlier SetUp.
func (p *Plan) before(e Edit) error {
	old, found, err := readRecord(p.file.Path)
	if err != nil || !found {
		return err
	}
	p.old = &old
	if !p.file.Exists {
		return nil
	}
	switch text := p.file.Text; {
	case old.untouched(text):
		p.rec.Mode = old.Mode
		if data, err := readBackup(p.file.Path, old); err == nil && string(data) == text {
			p.rec.Backup, p.kept = old.Backup, true
		}
		return nil
	case !old.wrote(text):
		if p.plain, err = e.TakeOut(text, old.Notes); err != nil {
			return fmt.Errorf("%s is left as it is: %w", p.file.Path, err)
		}
		return nil
	}
	p.rec.Mode, p.rec.Former, p.exists = old.Mode, hash(p.file.Text), old.Backup != ""
	p.plain = ""
	if p.exists {
		data, err := readBackup(p.file.Path, old)
		if err != nil {
			return err
		}
		p.plain, p.rec.Backup, p.kept = string(data), old.Backup, true
	}
	return nil
}

func readBackup(path string, r record) ([]byte, error) {
	data, err := atomicfile.Read(backupOf(path, r), maxSize, nil)
	if err != nil {
		return nil, fmt.Errorf("the backup of %s can't be read: %w", path, err)
	}
	return data, nil
}

func backupOf(path string, r record) string {
	return filepath.Join(filepath.Dir(path), filepath.Base(r.Backup))
}

// Changes reports whether the plan changes anything.
func (p *Plan) Changes() bool { return p.Text != p.file.Text || p.tightens() }

func (p *Plan) tightens() bool {
	return runtime.GOOS != "windows" && p.file.Exists && p.file.Mode != p.mode
}

// Path is the file that is changed.
func (p *Plan) Path() string { return p.file.Path }

// Make makes the change. Where it dies on its way, [Undo] and another [Prepare] know
// what was there.
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
	atomicfile.Clean(filepath.Dir(o.Path), staleTemp)
	if p.exists && !p.kept {
		backup, err := BackupName(o.Path, time.Now())
		if err != nil {
			return o, err
		}
		p.rec.Backup = filepath.Base(backup)
	}
	// First what says which files are ours, then they.
	if err := writeRecord(o.Path, p.rec); err != nil {
		return o, err
	}
	if p.exists {
		o.Backup = backupOf(o.Path, p.rec)
	}
	if p.exists && !p.kept {
		if err := atomicfile.Write(o.Backup, []byte(p.plain), atomicfile.Options{Mode: p.file.Mode}); err != nil {
			return o, err
		}
	}
	o.Changed, o.Tightened = true, p.tightens()
	if o.Tightened { // before a secret stands in it
		if err := os.Chmod(o.Path, p.file.Mode); err != nil {
			return o, err
		}
	}
	return o, p.file.put(p.Text)
}

// Revert takes back what Make did, whole or in part: the file is as it was before that,
// with the settings of an earlier SetUp if they stood there.
func (p *Plan) Revert() error {
	path := p.file.Path
	now, err := Read(path)
	if err != nil {
		return err
	}
	switch {
	case !now.Exists, now.Text != p.Text: // nothing of ours stands there
	case !p.file.Exists:
		err = removeFile(path)
	case now.Text != p.file.Text:
		err = Write(path, []byte(p.file.Text), atomicfile.Options{Mode: p.mode})
	}
	if err == nil && now.Exists && p.file.Exists && now.Mode != p.mode && runtime.GOOS != "windows" {
		err = os.Chmod(path, p.mode)
	}
	if err != nil { // what stood there is in the backup
		return err
	}
	return p.revertRecord()
}

func (p *Plan) revertRecord() error {
	path := p.file.Path
	noted, found, err := readRecord(path)
	switch {
	case err != nil, !found && p.old == nil, p.old != nil && found && noted.Wrote == p.old.Wrote:
		return err
	case p.old == nil && p.kept:
		return removeRecord(path)
	case p.old == nil:
		return forget(path, p.rec)
	}
	if err := writeRecord(path, *p.old); err != nil || p.kept || p.rec.Backup == "" {
		return err
	}
	if err := removeFile(backupOf(path, p.rec)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
	atomicfile.Clean(filepath.Dir(o.Path), staleTemp)
	r, found, err := readRecord(f.Path)
	if err != nil || !found {
		return o, err
	}
	if !f.Exists { // and there is nothing to take out
		return o, removeRecord(f.Path)
	}
	switch {
	case r.untouched(f.Text):
		if f.Mode != r.Mode {
			err = os.Chmod(f.Path, r.Mode)
		}
		return o, errors.Join(err, forget(f.Path, r))
	case r.wrote(f.Text):
		return o, o.restore(f, r)
	}
	text, err := e.TakeOut(f.Text, r.Notes)
	if err != nil {
		return o, fmt.Errorf("%s is left as it is: %w", f.Path, err)
	}
	o.Rewritten, o.Changed = true, text != f.Text
	switch rest := strings.TrimSpace(text); {
	case r.Backup != "":
		if _, err := os.Lstat(backupOf(f.Path, r)); err == nil {
			o.Backup = backupOf(f.Path, r)
		}
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
	data, err := readBackup(f.Path, r)
	if err != nil {
		return err
	}
	if err := Write(f.Path, data, atomicfile.Options{Mode: f.Mode}); err != nil {
		return err
	}
	return forget(f.Path, r)
}

// forget removes what was kept of a file that is as it was. The record goes last: by
// it, whoever dies before that finds out that the file is so.
func forget(path string, r record) error {
	if r.Backup != "" {
		if err := removeFile(backupOf(path, r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return removeRecord(path)
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
