// Package monitor has what whoever watches over logins needs, in a broker and
// without one: a journal of what happened, in words that say what to do, and metrics.
package monitor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/reason"
)

// mostRecent is how many events of each login are kept.
const mostRecent = 64

// Journal keeps the latest events of each login, counts all, and logs them. It may be
// used by any number of goroutines.
type Journal struct {
	log *slog.Logger

	mu     sync.Mutex
	logins map[string]*chronicle
}

// chronicle is what happened to one login.
type chronicle struct {
	store  *storeStats
	recent []codexauth.Event
	counts map[codexauth.EventKind]int64
}

// NewJournal returns a Journal that logs to log; nil is silent.
func NewJournal(log *slog.Logger) *Journal {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Journal{log: log, logins: map[string]*chronicle{}}
}

// Hear is a codexauth.Config.OnEvent.
func (j *Journal) Hear(e codexauth.Event) {
	c := j.of(e.Key)
	j.mu.Lock()
	c.counts[e.Kind]++
	if len(c.recent) == mostRecent {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
	c.recent = append(c.recent, e)
	j.mu.Unlock()
	d := Describe(e)
	j.log.LogAttrs(context.Background(), d.level, d.Message, d.attrs(e)...)
}

func (j *Journal) of(login string) *chronicle {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.logins[login]
	if c == nil {
		c = &chronicle{store: new(storeStats), counts: map[codexauth.EventKind]int64{}}
		j.logins[login] = c
	}
	return c
}

// Looked returns what a login's codexauth.Manager.Watch tells how its looks went.
func (j *Journal) Looked(login string) func(took time.Duration, err error) {
	return j.of(login).store.looked
}

// Claimed counts how long a claim of a login took.
func (j *Journal) Claimed(login string, took time.Duration) { j.of(login).store.claims.Observe(took) }

// Recent returns the latest events of a login, the newest last.
func (j *Journal) Recent(login string) []codexauth.Event {
	c := j.of(login)
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(c.recent)
}

// Count returns how many events of a kind a login had.
func (j *Journal) Count(login string, kind codexauth.EventKind) int64 {
	c := j.of(login)
	j.mu.Lock()
	defer j.mu.Unlock()
	return c.counts[kind]
}

// Description is an event in words. It holds no secret, no control character and
// nothing that was said to a model.
type Description struct {
	Message string // what happened
	Remedy  string // what to do; empty if there is nothing to do
	Code    string // of a refusal, as the server gave it
	Reason  string // what the server or the store said

	level slog.Level
}

// Describe says what happened and what to do.
func Describe(e codexauth.Event) Description {
	d := Description{level: slog.LevelInfo}
	if e.Err != nil {
		d.Reason = cleantext.Message(e.Err.Error())
	}
	if refused := (*codexauth.RefusedError)(nil); errors.As(e.Err, &refused) {
		d.Code = cleantext.Line(refused.Code)
	}
	signIn := "sign in again: codexauth login"
	if e.Key != codexauth.DefaultKey {
		signIn = "sign in again: codexauth --profile " + cleantext.OneLine(cleantext.ShellWord(e.Key)) + " login"
	}
	switch e.Kind {
	case codexauth.EventRefreshed:
		d.Message = "the login was refreshed"
		if e.Recovered {
			d.Message = "the login was refreshed, after failures"
		}
	case codexauth.EventRefused:
		d.level, d.Message, d.Remedy = slog.LevelError, "the server no longer accepts the login", signIn
	case codexauth.EventBackingOff:
		d.level, d.Message, d.Remedy = slog.LevelWarn, "a refresh failed, and is tried again", "none, if it passes; otherwise codexauth doctor says whether the server can be reached"
	case codexauth.EventUnknownOutcome:
		d.level, d.Message, d.Remedy = slog.LevelWarn, "the answer to a refresh is lost; the next refresh will show whether the login is", "none, unless the login is refused then"
	case codexauth.EventStoreAway:
		if unreadable(e.Err) {
			d.level, d.Message, d.Remedy = slog.LevelError, "the stored login can't be read", "codexauth doctor says why, and what to do; until then the token at hand is used"
			return d
		}
		d.level, d.Message, d.Remedy = slog.LevelError, "the login's store is away", "bring it back: codexauth doctor says what is wrong with it; until then the token at hand is used"
	case codexauth.EventStoreBack:
		d.Message = "the login's store is back"
	case codexauth.EventSignedIn:
		d.Message = "somebody signed in"
	case codexauth.EventSignedOut:
		d.level, d.Message, d.Remedy = slog.LevelWarn, "somebody signed out", signIn
		if _, _, moved := reason.MovedTo(e.Err); moved {
			d.Message, d.Remedy = "the login was moved to another profile or store", "use it there, or move it back; it still works"
		}
	}
	return d
}

// unreadable: the store is there, and what it holds is of no use here.
func unreadable(err error) bool {
	for _, target := range []error{codexauth.ErrDamaged, codexauth.ErrNewerVersion, codexauth.ErrSealed, codexauth.ErrNotSealed, codexauth.ErrWrongKey} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func (d Description) attrs(e codexauth.Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("event", string(e.Kind)), slog.String("profile", cleantext.OneLine(e.Key))}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("code", d.Code)
	add("reason", d.Reason)
	add("until", when(e.Until))
	add("expires", when(e.Expiry))
	add("remedy", d.Remedy)
	return attrs
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Body is an event as a program or a webhook is told about it.
type Body struct {
	ID        string `json:"id"` // the same whoever reports this event
	Event     string `json:"event"`
	Profile   string `json:"profile"`
	At        string `json:"at"` // RFC 3339, UTC, as all times
	Message   string `json:"message"`
	Remedy    string `json:"remedy,omitempty"`
	Code      string `json:"code,omitempty"`
	Reason    string `json:"reason,omitempty"`
	AccountID string `json:"account_id,omitempty"`
	Until     string `json:"until,omitempty"`
	ExpiresAt string `json:"expires_at,omitempty"`
	Recovered bool   `json:"recovered,omitempty"`
}

// BodyOf makes the Body of an event.
func BodyOf(e codexauth.Event) Body {
	d := Describe(e)
	what := string(e.Kind)
	if e.Recovered {
		what = "recovered"
	}
	return Body{
		ID: e.ID, Event: what, Profile: cleantext.OneLine(e.Key), At: when(e.At), Message: d.Message, Remedy: d.Remedy, Code: d.Code,
		Reason: d.Reason, AccountID: cleantext.Line(e.AccountID), Until: when(e.Until), ExpiresAt: when(e.Expiry), Recovered: e.Recovered,
	}
}
