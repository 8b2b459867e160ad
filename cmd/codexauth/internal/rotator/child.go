// Package rotator has a refresh done by a process of its own: the side of the
// parent, which sends it, and that of the child.
package rotator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
	"codexauth/internal/reason"
	"codexauth/seal"
)

// A rotation runs in a process of its own, in a session of its own: whatever
// happens to the process that the person or a tool started (a closed terminal,
// an impatient Ctrl-C, a time-out that ends in SIGKILL, for it or its process
// group), the child finishes, saves, and the next `token` finds the new token.
// The errand goes to it by pipe, not by argument, and its outcome comes back by
// pipe; if nobody reads that any more, nothing is lost.

// Command is the hidden first argument that makes a process such a child.
const Command = "__rotate"

const (
	maxErrand = 64 << 10 // what a child reads at most
	lockFD    = 3        // where a child finds the lock that it takes over
	// lateLife bounds how long a child tries to save a new token of which all have
	// been told, where there is not even a place for a rescue file.
	lateLife = 24 * time.Hour
)

// errand is what a child is to do.
type errand struct {
	Store    string          `json:"store"` // its address, which may hold a password
	Profile  string          `json:"profile"`
	Issuer   string          `json:"issuer"`
	ClientID string          `json:"client_id"`
	CAFile   string          `json:"ca_file,omitempty"`
	Identity string          `json:"identity,omitempty"` // the unsealed key: why an errand goes by pipe
	Verbose  bool            `json:"verbose"`
	Hello    bool            `json:"hello,omitempty"` // say first that the errand was understood
	Lock     string          `json:"lock,omitempty"`  // the path of the lock on lockFD, which is the child's now
	Request  json.RawMessage `json:"request"`
}

// outcome is a child's error, in words and kinds; all empty for success. Before it
// a child says that it has begun, to who wishes to hear that.
type outcome struct {
	Began   bool      `json:"began,omitempty"`
	Claimed []int64   `json:"claimed,omitempty"` // how long each claim took, in microseconds
	Message string    `json:"message,omitempty"`
	Kinds   []string  `json:"kinds,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

type kind struct {
	name string
	err  error
}

// kinds are the errors that keep their meaning between child and parent.
func kinds() []kind {
	return []kind{
		{"signed_out", codexauth.ErrSignedOut}, {"refused", codexauth.ErrRefused}, {"transient", codexauth.ErrTransient},
		{"unknown", codexauth.ErrUnknownOutcome}, {"request", codexauth.ErrRequest}, {"busy", codexauth.ErrBusy},
		{"rate_limited", codexauth.ErrRateLimited}, {"other_login", codexauth.ErrOtherLogin}, {"issuer", codexauth.ErrIssuer},
		{"damaged", codexauth.ErrDamaged}, {"newer", codexauth.ErrNewerVersion}, {"unsafe", codexauth.ErrStoreUnsafe},
		{"not_saved", codexauth.ErrNotSaved}, {"rescue_unreadable", codexauth.ErrRescueUnreadable}, {"store_away", reason.ErrStoreAway}, {"lost", codexauth.ErrLost}, {"sealed", codexauth.ErrSealed}, {"wrong_key", codexauth.ErrWrongKey},
	}
}

// childError is a child's error on the parent's side.
type childError struct{ outcome }

func (e *childError) Error() string { return e.Message }

// Is matches what the child's error matched.
func (e *childError) Is(target error) bool {
	for _, kind := range kinds() {
		if kind.err == target {
			return slices.Contains(e.Kinds, kind.name)
		}
	}
	return false
}

// As gives a failure that passes its time.
func (e *childError) As(target any) bool {
	retry, ok := target.(**codexauth.RetryError)
	if !ok || !e.Is(codexauth.ErrTransient) {
		return false
	}
	*retry = &codexauth.RetryError{At: e.At, Err: e}
	return true
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{}
	}
	o := outcome{Message: err.Error()}
	for _, kind := range kinds() {
		if errors.Is(err, kind.err) {
			o.Kinds = append(o.Kinds, kind.name)
		}
	}
	var retry *codexauth.RetryError
	if errors.As(err, &retry) {
		o.At = retry.At
	}
	return o
}

// Main is the main program of a child. Only what can't be ignored ends its
// work, which is bounded in time. It returns the exit code.
func Main() int {
	signal.Ignore(Ignored()...)
	told, failed := false, false
	tell := func(err error, claims []int64) {
		told, failed = true, err != nil
		o := outcomeOf(err)
		o.Claimed = claims
		// If the parent is gone nobody reads this: the store tells the next one.
		_ = json.NewEncoder(os.Stdout).Encode(o)
		os.Stdout.Close()
	}
	if err := rotateErrand(os.Stdin, tell); !told {
		tell(err, nil)
	}
	if failed {
		return 1
	}
	return 0
}

// rotateErrand does what the errand on r asks for and reports the result. Then
// it goes on for as long as an answer is to be read or a new token to be saved.
func rotateErrand(r io.Reader, tell func(err error, claims []int64)) error {
	var e errand
	if err := json.NewDecoder(io.LimitReader(r, maxErrand)).Decode(&e); err != nil {
		return errors.New("no job to run: this command is for codexauth's own use")
	}
	unlock := func() error { return nil }
	if e.Lock != "" {
		unlock = sync.OnceValue(lockfile.Receive(os.NewFile(lockFD, e.Lock), e.Lock))
		defer unlock()
	}
	if e.Hello {
		_ = json.NewEncoder(os.Stdout).Encode(outcome{Began: true}) // whoever is gone by now need not know
	}
	p := &place.Place{Profile: e.Profile}
	if e.Verbose {
		p.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := p.Open(e.Store, every.Kinds()); err != nil {
		return err
	}
	defer p.Close()
	if err := p.Trust(e.CAFile); err != nil {
		return err
	}
	if e.Identity != "" {
		key, err := seal.Identities(strings.NewReader(e.Identity), "the key of the parent process", seal.UI{})
		if err != nil {
			return err
		}
		p.Sealer = key
	}
	var mu sync.Mutex
	var claims []int64 // guarded by mu
	m, err := codexauth.NewManager(codexauth.Config{
		Claimed: func(took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			claims = append(claims, took.Microseconds())
		},
		Store: p.Store, Key: e.Profile, Log: p.Log, Sealer: p.Sealing(), HTTPClient: p.Client(),
		Provider: codexauth.Provider{Issuer: e.Issuer, ClientID: e.ClientID},
	})
	if err != nil {
		return err
	}
	defer m.Close()
	settle, err := m.Rotate(context.Background(), e.Request)
	unlock() // who waits for this child looks at the store, which tells
	mu.Lock()
	had := slices.Clone(claims)
	mu.Unlock()
	tell(err, had)
	late, cancel := context.WithTimeout(context.Background(), lateLife)
	defer cancel()
	return settle(late)
}
