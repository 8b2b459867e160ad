package codexauth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"codexauth/internal/oauth"
)

// SetBoot replaces the clock of the fence.
func (m *Manager) SetBoot(f func() time.Duration) { m.boot = f }

// SinceBoot is the clock of the fence that is used outside of tests.
func SinceBoot() time.Duration { return sinceBoot() }

// PatientTimeout is the time-out of a request, with a sleep of the test's.
var PatientTimeout = patientTimeout

// Held reports what the fast path holds.
func (m *Manager) Held() bool { return m.held.Load() != nil }

// DecodeRecord reads a plain record.
func DecodeRecord(key string, data []byte) (*record, error) { return (&Config{Key: key}).decode(data) }

type Record = record

func (r *record) Encode() ([]byte, error) { return (&Config{}).encode(r) }

// Edit decodes a record, lets f change it and encodes it again.
func Edit(key string, data []byte, f func(*record)) []byte {
	r, err := DecodeRecord(key, data)
	if err != nil {
		panic(err)
	}
	f(r)
	data, err = r.Encode()
	if err != nil {
		panic(err)
	}
	return data
}

// ForeignNote is the note of a process on another machine.
func ForeignNote(r *record, since time.Time) {
	r.Note = &note{ID: "foreign", Token: r.fingerprint(), Since: since, Host: "elsewhere", Machine: "other boot", PID: 4711, Started: "1"}
}

// DeadNote is the note of a process of this machine that is gone.
func DeadNote(r *record, since time.Time) {
	n := newNote("dead", r.fingerprint(), since)
	n.PID, n.Started = 1<<22+1, "1" // above any pid
	r.Note = n
}

// Need is what a rotation is for.
type Need = need

// Rotate is Manager.Rotate for a need.
func Rotate(ctx context.Context, m *Manager, n Need) error {
	job, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	_, err = m.Rotate(ctx, job)
	return err
}

// Delegate makes a Config.Delegate of what takes a need.
func Delegate(f func(context.Context, Need) error) func(context.Context, []byte, bool) error {
	return func(ctx context.Context, job []byte, atOnce bool) error {
		var n Need
		if err := json.Unmarshal(job, &n); err != nil || n.AtOnce != atOnce {
			return fmt.Errorf("a job %q, at once %v: %w", job, atOnce, err)
		}
		return f(ctx, n)
	}
}

// Settle is what Manager.Rotate returns.
func (m *Manager) Settle(ctx context.Context) error { return m.settle(ctx) }

func NewLogin(key string, c Credential) *record { return newLogin(key, c, nil) }

func SignedOut(r *record) *record { return r.signedOut(time.Now()) }

// MakeDue makes the token at hand due now.
func MakeDue(m *Manager) {
	h := *m.held.Load()
	h.due = 0
	m.held.Store(&h)
}

// NotUntil is when the next background attempt may begin.
func NotUntil(m *Manager) time.Time { return time.Unix(0, m.notUntil.Load()) }

// Furnish gives r every part that a record can have.
func Furnish(r *record) {
	r.Note = newNote("n", r.fingerprint(), time.Now())
	r.Refusal = &refusalNote{Token: "t", Code: "c", CutOff: newNote("c", "t", time.Now())}
	r.Backoff, r.Doubt = &backoff{}, &doubt{Token: "t"}
	r.Arriving = &arrival{Login: "l"}
	r.SignedOut, r.Endpoints = &tombstone{Moved: &whereabouts{Key: "k"}}, remembered(oauth.Endpoints{Issuer: r.Issuer, Token: r.Issuer + "/oauth/token", Authorize: r.Issuer, Revoke: r.Issuer + "/oauth/revoke"}, time.Now())
}

// UsablePlaces makes the default rescue places and returns those that can be used.
func UsablePlaces() (dirs []string) {
	for _, place := range (&Config{}).rescuePlaces() {
		if s, err := place.make(); err == nil {
			dirs = append(dirs, s.dir)
		}
	}
	return dirs
}

// SpreadPlaces returns the default rescue places in the order of their use.
func SpreadPlaces() (dirs []string) {
	for _, place := range spread((&Config{}).rescuePlaces()) {
		dirs = append(dirs, place.dir)
	}
	return dirs
}

func SameFileSystem(a, b string) bool { return sameFileSystem(a, b) }

// Refuse has r remember a refusal of its refresh token.
func Refuse(r *record) {
	r.Refusal = &refusalNote{Token: r.fingerprint(), Code: "refresh_token_reused", Status: 401, At: time.Now().UTC()}
}

// RescueName is a new name for a rescue file of r, and Hashed what a profile is in it.
var RescueName, Hashed = rescueName, hashed
