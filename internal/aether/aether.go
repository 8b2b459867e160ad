// Package aether reads and writes the credentials file of another tool, from which
// a login can be taken over and to which it can be given back.
package aether

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"time"

	"filippo.io/age/armor"

	"codexauth"
	"codexauth/internal/atomicfile"
)

// Key is the key of our provider in a [File] file.
const Key = "codex"

const maxFile = 1 << 20

// ErrForm: the file holds something else than was expected.
var ErrForm = errors.New("not a credentials file of the expected form")

// File is the content of a credentials file of another tool: an age file,
// encrypted with a passphrase, binary or armored, with the JSON
//
//	{"credentials":{"codex":"{\"client_id\":…}"}}
//
// Keys name providers. A value is a record's JSON, either as a string, as an
// operating system's keychain holds it, or as an object; both are read, a new one
// is written as a string, since files were filled from a keychain, and one that
// is there keeps its form. Whatever else the file holds stays as it is.
//
// The zero File is an empty file. It belongs to one goroutine.
type File struct {
	armored     bool
	workFactor  int // of scrypt, kept when the file is written again; 0 is age's default
	rest        map[string]json.RawMessage
	credentials map[string]json.RawMessage
}

// Login is a login in a [File] file.
type Login struct {
	ClientID      string
	AccessToken   codexauth.Secret
	RefreshToken  codexauth.Secret // empty if there is none
	ExpiresAt     time.Time        // of the access token, to the millisecond; zero if it is not known
	GrantedScopes []string
}

// Read decrypts the file at path: a regular file of at most 1 MiB.
// Errors wrap [seal.ErrPassphrase], [ErrForm] or the system's, and quote nothing
// of the content. It takes 0.6 to 1 s and 256 MiB where
// the file was written with age's default work factor, and is given up where it
// asks for more than 2^22.
func Read(path string, passphrase []byte) (*File, error) {
	data, err := atomicfile.Read(path, maxFile, nil)
	if err != nil {
		return nil, err
	}
	f := &File{armored: bytes.HasPrefix(bytes.TrimSpace(data), []byte(armor.Header))}
	if err := f.decrypt(data, passphrase); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *File) decrypt(data, passphrase []byte) error {
	if f.armored {
		var err error
		if data, err = io.ReadAll(armor.NewReader(bytes.NewReader(data))); err != nil {
			return fmt.Errorf("%w: its armor is altered or cut short", ErrForm)
		}
	}
	if !bytes.HasPrefix(data, []byte(intro)) {
		return fmt.Errorf("%w: it is not an age file", ErrForm)
	}
	plain, workFactor, err := decrypt(data, passphrase)
	if err != nil {
		return err
	}
	f.workFactor = workFactor // whoever wrote the file chose it
	return f.parse(plain)
}

func (f *File) parse(plain []byte) error {
	if json.Unmarshal(plain, &f.rest) != nil || f.rest == nil {
		return fmt.Errorf("%w: it holds no JSON object", ErrForm)
	}
	if value, ok := f.rest["credentials"]; ok && json.Unmarshal(value, &f.credentials) != nil {
		return fmt.Errorf("%w: its credentials are not a JSON object", ErrForm)
	}
	return nil
}

// wire is a record's JSON. The tokens of a record that has none stay
// out of it.
type wire struct {
	ClientID      string   `json:"client_id"`
	AccessToken   string   `json:"access_token"`
	RefreshToken  string   `json:"refresh_token,omitempty"`
	ExpiresAt     *float64 `json:"expires_at,omitempty"` // Unix milliseconds, as JavaScript has them
	GrantedScopes []string `json:"granted_scopes"`
}

// maxMillis is the last millisecond of the year 9999.
const maxMillis = 253402300799999

// Get returns the login under key. The error wraps [codexauth.ErrNotFound] if
// there is none and [ErrForm] if it can't be read.
func (f *File) Get(key string) (Login, error) {
	object, _, err := f.object(key)
	if err != nil {
		return Login{}, err
	}
	var w wire
	if json.Unmarshal(object, &w) != nil {
		return Login{}, fmt.Errorf("%w: a field of %q has another type", ErrForm, key)
	}
	r := Login{
		ClientID:    w.ClientID,
		AccessToken: codexauth.NewSecret(w.AccessToken), RefreshToken: codexauth.NewSecret(w.RefreshToken),
		GrantedScopes: w.GrantedScopes,
	}
	switch ms := w.ExpiresAt; {
	case r.AccessToken.IsZero():
		return Login{}, fmt.Errorf("%w: %q has no access_token", ErrForm, key)
	case ms != nil && (*ms < 0 || *ms > maxMillis || *ms != math.Trunc(*ms)):
		return Login{}, fmt.Errorf("%w: expires_at of %q is no time in Unix milliseconds", ErrForm, key)
	case ms != nil:
		r.ExpiresAt = time.UnixMilli(int64(*ms)).UTC()
	}
	return r, nil
}

// object returns the record under key as a JSON object, and whether the file
// holds it as a string.
func (f *File) object(key string) (object []byte, quoted bool, err error) {
	value, ok := f.credentials[key]
	if !ok {
		return nil, false, fmt.Errorf("%w: the credentials file holds no login under %q", codexauth.ErrNotFound, key)
	}
	var text string
	if quoted = json.Unmarshal(value, &text) == nil && !bytes.Equal(value, []byte("null")); quoted {
		value = []byte(text)
	}
	if value = bytes.TrimSpace(value); !bytes.HasPrefix(value, []byte("{")) || !json.Valid(value) {
		return nil, quoted, fmt.Errorf("%w: what is under %q is not a JSON object", ErrForm, key)
	}
	return value, quoted, nil
}

// Set puts r under key. Fields of an earlier record that this package does not
// know are kept.
func (f *File) Set(key string, r Login) error {
	w := wire{
		ClientID: r.ClientID, AccessToken: r.AccessToken.Reveal(), RefreshToken: r.RefreshToken.Reveal(),
		GrantedScopes: append([]string{}, r.GrantedScopes...), // never null
	}
	if !r.ExpiresAt.IsZero() {
		ms := float64(r.ExpiresAt.UnixMilli())
		if ms < 0 || ms > maxMillis {
			return fmt.Errorf("%w: the expiry %v has no place in it", ErrForm, r.ExpiresAt)
		}
		w.ExpiresAt = &ms
	}
	fields := map[string]json.RawMessage{}
	object, quoted, err := f.object(key)
	switch {
	case err == nil:
		if err := json.Unmarshal(object, &fields); err != nil {
			return fmt.Errorf("%w: what is under %q can't be read", ErrForm, key)
		}
	case errors.Is(err, codexauth.ErrNotFound):
		quoted = true
	default:
		return err
	}
	delete(fields, "refresh_token")
	delete(fields, "expires_at")
	if err := f.put(key, fields, w, quoted); err != nil {
		return fmt.Errorf("writing the record of %q: %w", key, err)
	}
	return nil
}

// Delete takes the login under key out, if there is one.
func (f *File) Delete(key string) { delete(f.credentials, key) }

func (f *File) put(key string, fields map[string]json.RawMessage, w wire, quoted bool) error {
	known, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(known, &fields); err != nil { // over what is there
		return err
	}
	value, err := json.Marshal(fields)
	if err == nil && quoted {
		value, err = json.Marshal(string(value))
	}
	if err != nil {
		return err
	}
	if f.credentials == nil {
		f.credentials = map[string]json.RawMessage{}
	}
	f.credentials[key] = value
	return nil
}

// Write encrypts the whole with passphrase and replaces the file at path, mode
// 0600. The other tool takes no lock that is known: see that it does not run.
func (f *File) Write(path string, passphrase []byte) error {
	whole := map[string]json.RawMessage{}
	maps.Copy(whole, f.rest)
	credentials, err := json.Marshal(f.credentials)
	if f.credentials == nil {
		credentials = []byte("{}")
	}
	if err != nil {
		return err
	}
	whole["credentials"] = credentials
	plain, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	data, err := f.encrypt(plain, passphrase)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data, atomicfile.Options{})
}

func (f *File) encrypt(plain, passphrase []byte) ([]byte, error) {
	data, err := encrypt(plain, passphrase, f.workFactor)
	switch {
	case err != nil:
		return nil, err
	case f.armored:
		var text bytes.Buffer
		w := armor.NewWriter(&text)
		_, err = w.Write(data)
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
		data = text.Bytes()
	}
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%w: it would be longer than %d bytes", ErrForm, maxFile)
	}
	return data, err
}
