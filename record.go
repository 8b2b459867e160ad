package codexauth

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"codexauth/internal/frame"
	"codexauth/internal/oauth"
)

// What is stored under a key: one line that says what follows (package frame), then
// JSON. A reader keeps fields that it does not know (unknown_fields.go). A field that an
// older reader must understand raises the version.
const (
	maxRecord = 1 << 20
	maxSpent  = 32 // fingerprints of spent refresh tokens that are remembered
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

	SignedIn   time.Time         `json:"signed_in_at,omitzero"` // zero where another program did it, or an older version
	Credential *storedCredential `json:"credential,omitempty"`  // nil: signed out
	SignedOut  *tombstone        `json:"signed_out,omitempty"`
	Note       *note             `json:"note,omitempty"`
	Refusal    *refusalNote      `json:"refusal,omitempty"`
	Backoff    *backoff          `json:"backoff,omitempty"`
	ForcedAt   time.Time         `json:"forced_at,omitzero"` // last refresh because the backend refused a token
	UnmetMS    int64             `json:"unmet_ms,omitempty"` // a validity that was asked for and is longer than a new token's
	Spent      []string          `json:"spent,omitempty"`    // fingerprints, newest first
	// Skew is the issuer's clock minus the local one in milliseconds, by host.
	Skew map[string]int64 `json:"skew,omitempty"`
	// Doubt is an answer that may be a refusal; Endpoints is where the issuer said
	// that it answers.
	Doubt     *doubt          `json:"doubt,omitempty"`
	Endpoints *knownEndpoints `json:"endpoints,omitempty"`
	// Announced are the events of which people were told, newest first.
	Announced []string `json:"announced,omitempty"`

	// Arriving is a sign-in on its way, which is to take this record's place.
	Arriving *arrival `json:"arriving,omitempty"`

	unknown unknown
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

	unknown unknown
}

// tombstone says that the person signed out: nothing of this login may return.
type tombstone struct {
	At    time.Time    `json:"at"`
	Moved *whereabouts `json:"moved,omitempty"` // it was not ended

	unknown unknown
}

// refusalNote is a permanent refusal of one refresh token.
type refusalNote struct {
	Token       string    `json:"token"` // fingerprint of the refused refresh token
	Code        string    `json:"code,omitempty"`
	Description string    `json:"description,omitempty"`
	Status      int       `json:"status"`
	At          time.Time `json:"at"`
	CutOff      *note     `json:"cut_off,omitempty"`

	unknown unknown
}

// doubt counts how often one answer came that may be a verdict on the refresh
// token, and may as well be somebody's in between.
type doubt struct {
	Token string    `json:"token"` // fingerprint of the refresh token
	Code  string    `json:"code"`
	Since time.Time `json:"since"` // by the issuer's clock
	Times int       `json:"times"`

	unknown unknown
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

	unknown unknown
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

// firstSeq is that of a login that has not been refreshed.
const firstSeq = 1

// newLogin makes the first record of a sign-in or import, in place of old, which
// may be nil.
func newLogin(key string, c Credential, old *record) *record {
	r := &record{Key: key, Login: rand.Text(), Seq: firstSeq, Issuer: c.Issuer, ClientID: c.ClientID, Credential: stored(c)}
	if old != nil {
		r.Spent = old.Spent
		if old.Issuer == r.Issuer {
			r.Skew = old.Skew
		}
	}
	return r
}

// with returns r after an accepted refresh: note, refusal and back-off are gone.
func (r *record) with(c Credential) *record {
	next := *r
	next.Seq++
	next.Credential = stored(c)
	next.Credential.unknown = r.Credential.unknown // as any field that the answer lacks
	next.Note, next.Refusal, next.Backoff, next.Doubt = nil, nil, nil, nil
	if spent := r.fingerprint(); next.Credential.RefreshToken != r.Credential.RefreshToken {
		next.Spent = remember(r.Spent, spent)
	}
	return &next
}

// signedOut returns the tombstone of r. It remembers what is spent: whoever finds
// an old copy of the login must not bring it back, which would end the login where
// it lives on.
func (r *record) signedOut(now time.Time) *record {
	return &record{
		Key: r.Key, Login: r.Login, Seq: r.Seq + 1, Issuer: r.Issuer, ClientID: r.ClientID,
		SignedOut: &tombstone{At: now.UTC()}, Skew: r.Skew, Spent: r.Spent,
	}
}

// gone is signedOut for a login whose present token must not come back either: it
// is revoked, or another store has it.
func (r *record) gone(now time.Time) *record {
	t := r.signedOut(now)
	if f := r.fingerprint(); f != "" {
		t.Spent = remember(r.Spent, f)
	}
	return t
}

// remember puts a fingerprint before others.
func remember(spent []string, fingerprint string) []string {
	all := append([]string{fingerprint}, slices.DeleteFunc(slices.Clone(spent), func(s string) bool { return s == fingerprint })...)
	return all[:min(len(all), maxSpent)]
}

// hasSpent reports whether a refresh token is known to be spent.
func (r *record) hasSpent(fingerprint string) bool {
	return fingerprint != "" && slices.Contains(r.Spent, fingerprint)
}

// fingerprint identifies the refresh token that r holds; empty if it has none.
func (r *record) fingerprint() string {
	if r.Credential == nil {
		return ""
	}
	return NewSecret(r.Credential.RefreshToken).fingerprint()
}

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

func (f *refusalNote) err() *RefusedError {
	return &RefusedError{Code: f.Code, Description: f.Description, Status: f.Status, At: f.At, CutOff: f.CutOff.attempt()}
}

// body writes r as JSON, under a fresh revision.
func (r *record) body() ([]byte, error) {
	r.Rev = rand.Text()
	return json.Marshal(r)
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

// encode writes a record as this Manager's configuration wants it stored.
func (c *Config) encode(r *record) ([]byte, error) {
	body, err := r.body()
	if err != nil || c.Sealer == nil {
		return frame.Wrap(frame.JSON, body), err
	}
	sealed, err := c.Sealer.Seal(body)
	if err != nil {
		return nil, fmt.Errorf("sealing the record: %w", err)
	}
	return frame.Wrap(c.Sealer.Format(), sealed), nil
}

// decode reads a record, sealed or plain: a plain one is sealed when it is
// written next.
func (c *Config) decode(data []byte) (*record, error) {
	format, body, err := frame.Unwrap(data)
	switch {
	case err != nil:
		return nil, err
	case format == frame.JSON:
		if s, ok := c.Sealer.(strictSealer); ok && s.SealedOnly() {
			return nil, fmt.Errorf("%w, and this place keeps sealed ones only", ErrNotSealed)
		}
	case c.Sealer == nil:
		return nil, fmt.Errorf("%w (%s): give its key with --identity-file", ErrSealed, format)
	case format != c.Sealer.Format():
		return nil, fmt.Errorf("%w: with %s, and this key is for %s", ErrWrongKey, format, c.Sealer.Format())
	default:
		if body, err = c.Sealer.Open(body); err != nil {
			return nil, fmt.Errorf("opening the sealed record: %w", err)
		}
	}
	return parseRecord(c.Key, body)
}
