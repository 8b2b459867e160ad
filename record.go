package codexauth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"codexauth/internal/oauth"
)

// What is stored under a key: one line that says what follows, then JSON.
//
//	codexauth-record v1 json LENGTH SHA256\n{…}
//
// Length and checksum are there because a disk can lose bytes without an error.
// A reader refuses a version that it does not know; a field whose loss would
// matter to an older reader raises the version.
const (
	recordMagic   = "codexauth-record"
	recordVersion = 1
	formatJSON    = "json"
	maxRecord     = 1 << 20
	maxSpent      = 32 // fingerprints of spent refresh tokens that are remembered
)

// record is everything that is known about the login of one key. What happened
// to it is compared by (Login, Seq), never by a token alone: an answer may bring
// no new refresh token.
type record struct {
	Key   string `json:"key"`   // binds the record to its place in the store
	Login string `json:"login"` // random, new at each sign-in or import
	Seq   uint64 `json:"seq"`   // +1 for every accepted answer
	Rev   string `json:"rev"`   // random at each write: no two records are the same bytes

	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`

	Credential *storedCredential `json:"credential,omitempty"` // nil: signed out
	SignedOut  *tombstone        `json:"signed_out,omitempty"`
	Note       *note             `json:"note,omitempty"`
	Refusal    *refusalNote      `json:"refusal,omitempty"`
	Backoff    *backoff          `json:"backoff,omitempty"`
	ForcedAt   time.Time         `json:"forced_at,omitzero"` // last refresh because the backend refused a token
	UnmetMS    int64             `json:"unmet_ms,omitempty"` // a validity that was asked for and is longer than a new token's
	Spent      []string          `json:"spent,omitempty"`    // fingerprints, newest first
	// Skew is the issuer's clock minus the local one in milliseconds, by host.
	Skew map[string]int64 `json:"skew,omitempty"`
}

// storedCredential is a Credential with its tokens in the clear, as only a
// record holds them.
type storedCredential struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	IDToken      string    `json:"id_token,omitempty"`
	Expiry       time.Time `json:"expiry"`
	Scopes       []string  `json:"scopes,omitempty"`
	LastRefresh  time.Time `json:"last_refresh"`
	AccountID    string    `json:"account_id"`
	Email        string    `json:"email,omitempty"`
	Plan         string    `json:"plan,omitempty"`
	UserID       string    `json:"user_id,omitempty"`
	FedRAMP      bool      `json:"fedramp,omitempty"`
}

// tombstone says that the person signed out: nothing of this login may return.
type tombstone struct {
	At time.Time `json:"at"`
}

// note says that a refresh is on its way. It is committed before the request
// leaves, so that whoever finds it knows that the token may be spent, and
// because it proves that the store can be written before anything is spent.
type note struct {
	ID    string    `json:"id"`    // random, one for each attempt
	Token string    `json:"token"` // fingerprint of the refresh token being spent
	Since time.Time `json:"since"`
	// Who: enough to tell for certain that the holder is dead.
	Host    string `json:"host"`
	Machine string `json:"machine,omitempty"` // boot id and pid namespace
	PID     int    `json:"pid"`
	Started string `json:"started,omitempty"` // start time of that process
	// Places are the directories in which the holder puts a successor that the
	// store does not take, by its own HOME and TMPDIR.
	Places []string `json:"places,omitempty"`
	// Ended is set when the holder itself learned that it will get no answer.
	Ended time.Time `json:"ended,omitzero"`
}

// refusalNote is a permanent refusal of one refresh token.
type refusalNote struct {
	Token       string    `json:"token"` // fingerprint of the refused refresh token
	Code        string    `json:"code,omitempty"`
	Description string    `json:"description,omitempty"`
	Status      int       `json:"status"`
	At          time.Time `json:"at"`
	CutOff      *note     `json:"cut_off,omitempty"`
}

// backoff makes all processes wait after a failure that passes. The failure is
// kept so that those who wait can say why.
type backoff struct {
	Until       time.Time   `json:"until"`   // by the issuer's clock
	WaitMS      int64       `json:"wait_ms"` // how long that was: a clock set back must not prolong it
	Attempts    int         `json:"attempts"`
	Limited     bool        `json:"limited,omitempty"` // the server named the time
	Class       oauth.Class `json:"class"`
	Status      int         `json:"status,omitempty"`
	Code        string      `json:"code,omitempty"`
	Description string      `json:"description,omitempty"` // safe to show
}

func (r *record) credential() Credential {
	c := r.Credential
	return Credential{
		Issuer: r.Issuer, ClientID: r.ClientID,
		AccessToken: NewSecret(c.AccessToken), RefreshToken: NewSecret(c.RefreshToken), IDToken: NewSecret(c.IDToken),
		Expiry: c.Expiry, Scopes: c.Scopes, LastRefresh: c.LastRefresh,
		Account: Account{ID: c.AccountID, Email: c.Email, Plan: c.Plan, UserID: c.UserID, FedRAMP: c.FedRAMP},
	}
}

func stored(c Credential) *storedCredential {
	return &storedCredential{
		AccessToken: c.AccessToken.Reveal(), RefreshToken: c.RefreshToken.Reveal(), IDToken: c.IDToken.Reveal(),
		Expiry: c.Expiry.UTC(), Scopes: c.Scopes, LastRefresh: c.LastRefresh.UTC(),
		AccountID: c.Account.ID, Email: c.Account.Email, Plan: c.Account.Plan, UserID: c.Account.UserID,
		FedRAMP: c.Account.FedRAMP,
	}
}

// newLogin makes the first record of a sign-in.
func newLogin(key string, c Credential) *record {
	return &record{Key: key, Login: rand.Text(), Seq: 1, Issuer: c.Issuer, ClientID: c.ClientID, Credential: stored(c)}
}

// with returns r after an accepted refresh: note, refusal and back-off are gone.
func (r *record) with(c Credential) *record {
	next := *r
	next.Seq++
	next.Credential = stored(c)
	next.Note, next.Refusal, next.Backoff = nil, nil, nil
	if spent := r.fingerprint(); next.Credential.RefreshToken != r.Credential.RefreshToken {
		next.Spent = append([]string{spent}, slices.DeleteFunc(slices.Clone(r.Spent), func(s string) bool { return s == spent })...)
		next.Spent = next.Spent[:min(len(next.Spent), maxSpent)]
	}
	return &next
}

// signedOut returns the tombstone of r.
func (r *record) signedOut(now time.Time) *record {
	return &record{
		Key: r.Key, Login: r.Login, Seq: r.Seq + 1, Issuer: r.Issuer, ClientID: r.ClientID,
		SignedOut: &tombstone{At: now.UTC()}, Skew: r.Skew,
	}
}

// fingerprint identifies the refresh token that r holds.
func (r *record) fingerprint() string { return NewSecret(r.Credential.RefreshToken).fingerprint() }

// refused returns the remembered refusal of the refresh token that r holds.
func (r *record) refused() *refusalNote {
	if r.Refusal != nil && r.Refusal.Token == r.fingerprint() {
		return r.Refusal
	}
	return nil
}

// unanswered returns the note of a refresh with the token that r holds.
func (r *record) unanswered() *note {
	if r.Credential != nil && r.Note != nil && r.Note.Token == r.fingerprint() {
		return r.Note
	}
	return nil
}

// same reports whether r and s are one state of one login.
func (r *record) same(s *record) bool { return r.Login == s.Login && r.Seq == s.Seq }

func (n *note) attempt() *Attempt {
	if n == nil {
		return nil
	}
	return &Attempt{Host: n.Host, PID: n.PID, Since: n.Since, Places: n.Places}
}

func (f *refusalNote) refusal() Refusal {
	return Refusal{Code: f.Code, Description: f.Description, Status: f.Status, At: f.At, CutOff: f.CutOff.attempt()}
}

func (f *refusalNote) err() error { return &RefusedError{f.refusal()} }

// body writes r as JSON, under a fresh revision.
func (r *record) body() ([]byte, error) {
	r.Rev = rand.Text()
	return json.Marshal(r)
}

func frame(format string, body []byte) []byte {
	sum := sha256.Sum256(body)
	head := fmt.Sprintf("%s v%d %s %d %s\n", recordMagic, recordVersion, format, len(body), hex.EncodeToString(sum[:]))
	return append([]byte(head), body...)
}

// parseRecord reads what body wrote. Its errors say what is wrong with the
// record and never quote it.
func parseRecord(key string, body []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%w: its JSON can't be read", ErrDamaged)
	}
	switch {
	case r.Key != key:
		return nil, fmt.Errorf("%w: it belongs to the profile %q, not to %q", ErrDamaged, r.Key, key)
	case r.Login == "", r.Credential == nil && r.SignedOut == nil:
		return nil, fmt.Errorf("%w: it holds neither a login nor a sign-out", ErrDamaged)
	}
	return &r, nil
}

func unframe(data []byte) (format string, body []byte, err error) {
	if len(data) == 0 {
		return "", nil, fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(head[:min(len(head), 200)]))
	if !ok || len(fields) < 2 || fields[0] != recordMagic {
		return "", nil, fmt.Errorf("%w: it does not begin like a record", ErrDamaged)
	}
	if v, err := strconv.Atoi(strings.TrimPrefix(fields[1], "v")); err == nil && v > recordVersion {
		return "", nil, fmt.Errorf("%w (format %d; this one reads %d); upgrade codexauth", ErrNewerVersion, v, recordVersion)
	} else if err != nil || v != recordVersion || len(fields) != 5 {
		return "", nil, fmt.Errorf("%w: its first line can't be read", ErrDamaged)
	}
	if n, err := strconv.Atoi(fields[3]); err != nil || n != len(body) {
		return "", nil, fmt.Errorf("%w: %d bytes of %s are there (a torn write?)", ErrDamaged, len(body), fields[3])
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(fields[4])) != 1 {
		return "", nil, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	return fields[2], body, nil
}
