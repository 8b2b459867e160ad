package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
)

const maxIdentityFile = 1 << 20

// OpenFile returns a Sealer with the key in the age identity file at path. The
// file must be a regular one of this user and closed to all others (mode 0600 or
// stricter; on Windows its access list counts), or one that the system has handed
// to this service: a credential of systemd, or a file of a Kubernetes Secret. It is
// looked at now and read at the first use. Errors wrap [ErrIdentity].
func OpenFile(path string, ui UI) (*Sealer, error) {
	if err := lookAt(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	read := func(bool) (*ring, error) {
		text, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
		}
		return parse(text, path, ui)
	}
	return &Sealer{name: "the key in " + path, read: read}, nil
}

func lookAt(path string) error {
	if _, ok := handedOver(path); ok {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return checkFile(path, info)
}

func readFile(path string) ([]byte, error) {
	check := func(info fs.FileInfo) error { return checkFile(path, info) }
	file, ok := handedOver(path)
	if ok {
		check = checkHandedOver
	} else {
		file = path
	}
	return atomicfile.Read(file, maxIdentityFile, check)
}

func checkFile(path string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link; name the file itself, or for a Kubernetes Secret set defaultMode: 0440 in its volume", path)
	}
	err := private.CheckFile(path, info)
	var exposed *private.Exposed
	switch {
	case !errors.As(err, &exposed):
		return err
	case exposed.Foreign():
		return fmt.Errorf("%w; have the service manager hand it over (LoadCredential= of systemd), or open it as its owner and name the descriptor (fd:3)", err)
	}
	return fmt.Errorf("%w; run `%s`, and make a new key if somebody may have read it", err, private.Remedy(path, false))
}

// Identities reads r, the content of an age identity file, to its end and returns
// a Sealer with it. It is for keys that come by a pipe or a descriptor; what is
// called name in errors. Errors wrap [ErrIdentity].
func Identities(r io.Reader, name string, ui UI) (*Sealer, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: reading %s: %w", ErrIdentity, name, err)
	case len(text) > maxIdentityFile:
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrIdentity, name, maxIdentityFile)
	}
	read := func(bool) (*ring, error) { return parse(text, name, ui) }
	return &Sealer{name: "the key in " + name, read: read}, nil
}

// Fetched returns a Sealer for a place whose key is kept elsewhere, such as in the
// system's keyring, and whose records are all sealed ([Sealer.SealedOnly]). The
// function fetch returns the content of an age identity file. It is called at the
// first use, by one goroutine at a time, and again at the next use if it failed;
// sealing says that something new is about to be sealed, so that a key may be
// made. Its errors are passed on; what it returned is called name in errors.
func Fetched(name string, fetch func(sealing bool) (codexauth.Secret, error)) *Sealer {
	read := func(sealing bool) (*ring, error) {
		identity, err := fetch(sealing)
		if err != nil {
			return nil, err
		}
		return parse([]byte(identity.Reveal()), name, UI{})
	}
	return &Sealer{name: "the key in " + name, read: read, strict: true}
}

// parse reads an identity file, which may be encrypted with a passphrase.
func parse(text []byte, name string, ui UI) (*ring, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows put it there
	trimmed := bytes.TrimSpace(text)
	if bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		binary, err := io.ReadAll(armor.NewReader(bytes.NewReader(trimmed)))
		if err != nil {
			return nil, fmt.Errorf("%w: %s is altered or cut short", ErrIdentity, name)
		}
		text = binary
	}
	if bytes.HasPrefix(text, []byte(intro)) {
		var err error
		if text, err = unlock(text, name, ui); err != nil {
			return nil, err
		}
	}
	return parseLines(string(text), name, ui)
}

func unlock(text []byte, name string, ui UI) ([]byte, error) {
	key := &scryptKey{ask: func() ([]byte, error) { return ui.passphrase(name, false) }}
	plain, err := decrypt(text, key)
	switch {
	case errors.Is(err, age.ErrIncorrectIdentity) && key.asked:
		return nil, fmt.Errorf("%s: %w", name, ErrPassphrase)
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, fmt.Errorf("%w: %s is encrypted for another key, not with a passphrase", ErrIdentity, name)
	case errors.Is(err, ErrNeedsTerminal), err == nil:
		return plain, err
	}
	return nil, fmt.Errorf("%w: decrypting %s: %w", ErrIdentity, name, err)
}

// parseLines reads one identity a line. Its errors name lines and never quote
// them: any may hold a secret.
func parseLines(text, name string, ui UI) (*ring, error) {
	r := &ring{}
	var plugins []age.Identity
	var wrapped []byte // for the identity of the next line
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if w, ok := strings.CutPrefix(line, handoverMark); ok {
			wrapped, _ = base64.StdEncoding.DecodeString(w) // what is wrong opens nothing
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		err := r.add(line, wrapped, &plugins, ui)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d of %s %w", ErrIdentity, n, name, err)
		}
		wrapped = nil
	}
	r.identities = append(r.identities, plugins...)
	if len(r.identities)+len(r.envelopes) == 0 {
		return nil, fmt.Errorf("%w: %s holds no identity (a line that begins with AGE-SECRET-KEY- or AGE-PLUGIN-)", ErrIdentity, name)
	}
	if err := r.unmixed(); err != nil {
		return nil, fmt.Errorf("%w: %s %w", ErrIdentity, name, err)
	}
	return r, nil
}

// add puts the identity of one line into r, or that of a plugin into plugins.
func (r *ring) add(line string, wrapped []byte, plugins *[]age.Identity, ui UI) error {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		id, err := age.ParseHybridIdentity(line)
		if err != nil {
			return errMistyped
		}
		if wrapped != nil {
			r.envelopes, r.slow = append(r.envelopes, &envelope{id, wrapped}), true
			return nil
		}
		r.identities, r.recipients = append(r.identities, id), append(r.recipients, id.Recipient())
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return errMistyped
		}
		r.identities, r.recipients = append(r.identities, id), append(r.recipients, id.Recipient())
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		id, err := newPluginIdentity(line, ui)
		if err != nil {
			return errMistyped
		}
		*plugins, r.recipients = append(*plugins, id), append(r.recipients, id.recipient())
		r.slow = true
	case strings.HasPrefix(line, "age1"):
		return errors.New("is a recipient, which is the public half; the file wants the secret one")
	case strings.HasPrefix(line, "-----BEGIN") || strings.HasPrefix(line, "ssh-"):
		return errors.New("is an SSH or PEM key; only age's own identities seal a store, as `age-keygen -pq` makes them")
	default:
		return errors.New("is not an age identity")
	}
	return nil
}

var errMistyped = errors.New("is a mistyped or shortened identity")

// unmixed refuses what age would refuse at the first seal. Of plugins only they
// themselves know which kind they are.
func (r *ring) unmixed() error {
	var hybrid, classic bool
	for _, id := range r.identities {
		switch id.(type) {
		case *age.HybridIdentity:
			hybrid = true
		case *age.X25519Identity:
			classic = true
		}
	}
	if hybrid && classic {
		return errors.New("mixes post-quantum identities (AGE-SECRET-KEY-PQ-1) with classic ones (AGE-SECRET-KEY-1), which age does not seal for together; keep one kind")
	}
	return nil
}
