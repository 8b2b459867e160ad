package codexauth

import (
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
