package codexauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"codexauth/internal/oauth"
	"codexauth/internal/reason"
)

// EventKind is what happened to a login.
type EventKind string

// The kinds of an Event.
const (
	EventRefreshed      EventKind = "refreshed"       // there is a new token
	EventRefused        EventKind = "refused"         // the server no longer accepts the login: sign in again
	EventBackingOff     EventKind = "backing_off"     // a refresh failed, and is tried again
	EventUnknownOutcome EventKind = "unknown_outcome" // the answer to a refresh is lost; the next one will show whether the login is
	EventStoreAway      EventKind = "store_away"      // the login can't be read, or what is new can't be saved
	EventStoreBack      EventKind = "store_back"      // it can again
	EventSignedIn       EventKind = "signed_in"       // there is a new login
	EventSignedOut      EventKind = "signed_out"      // somebody signed out
)

// Event is what Config.OnEvent learns. It holds no secret.
type Event struct {
	Kind EventKind
	// ID is the same in every process that learns of this event, and another one for
	// another; failures are one event until a refresh succeeds. See [Manager.Announce].
	ID        string
	Key       string
	At        time.Time // when this Manager learned of it
	AccountID string    // empty where no login was read
	Login     string    // tells this login from an earlier one of the same key; no secret
	Seq       uint64    // counts the accepted answers of the login
	Expiry    time.Time // of the access token, by the issuer's clock
	Until     time.Time // EventBackingOff and EventUnknownOutcome: no attempt before; zero if any time will do
	// Err is why: a *[RefusedError], a *[RetryError], or what the store said. With
	// EventSignedOut it is set if the login lives on elsewhere, and has a method
	// MovedTo() (key, store string). It is nil for what is good.
	Err error
	// Here: this Manager did it. Otherwise it was another process or another machine,
	// or this Manager's Delegate.
	Here bool
	// Recovered: it is the end of a refusal, or of failures, that OnEvent was told about.
	Recovered bool
}

// mostEvents is how many events wait for an OnEvent that is slow; of more, the
// oldest are dropped.
const mostEvents = 128

// witnessed is what this Manager has seen of its login, and the events that it made
// of that. Every record that is read or written passes here, so it does not matter
// whose doing a change is, and each is told once. What was read earlier and comes
// later (goroutines read side by side) is no news: a state is told only where it is
// newer than the one before.
type witnessed struct {
	key  string
	hook func(Event)

	mu       sync.Mutex
	known    bool // a record was seen
	login    string
	seq      uint64
	out      bool   // signed out
	moved    bool   // out, for the login went elsewhere and may come back
	live     string // Rev of the last record with a credential
	replaced replacedLogin
	refused  time.Time // the newest refusal
	until    time.Time // the newest back-off
	note     string    // the last refresh that was cut off
	failing  bool      // a refusal or a failure was told, and nothing good since
	pending  bool      // a refresh is noted in the record that was seen last
	unread   bool      // the store could not be read
	unsaved  bool      // the store did not take what was to be saved

	waiting    []Event
	delivering bool
	closed     bool
	idle       chan struct{} // closed when nothing is delivered any more, once closed
}

// replacedLogin is the login before: for a while, somebody may still have it in hand.
type replacedLogin struct {
	login string
	at    time.Time
}

const replacedMemory = time.Minute

// saw compares a record with what was seen before. here: this Manager wrote it.
func (w *witnessed) saw(rec *record, here bool) {
	if w.hook == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.unread {
		w.unread = false
		w.storeBack()
	}
	first, before := !w.known, w.seq
	stale := rec.Login == w.login && rec.Seq < w.seq && !w.cameBack(rec) ||
		rec.Login == w.replaced.login && now.Sub(w.replaced.at) < replacedMemory
	if stale {
		return
	}
	fresh := rec.Login != w.login
	if fresh {
		w.replaced = replacedLogin{w.login, now}
		w.refused, w.until, w.note = time.Time{}, time.Time{}, ""
	}
	wasOut := w.out
	w.known, w.login, w.seq, w.out = true, rec.Login, rec.Seq, rec.SignedOut != nil
	if w.moved = w.out && rec.SignedOut.Moved != nil; !w.out {
		w.live = rec.Rev
	}
	w.pending = rec.Note != nil
	if w.unsaved && (fresh || rec.Seq > before) { // somebody could save
		w.unsaved = false
		w.storeBack()
	}
	e := eventOf(rec, here)
	switch {
	case first:
	case w.out && !wasOut:
		if w.moved {
			e.Err = &movedError{w.key, *rec.SignedOut.Moved}
		}
		w.tell(e, EventSignedOut)
	case w.out:
	case fresh, wasOut:
		w.tell(e, EventSignedIn)
	case rec.Seq > before && rec.Backoff == nil: // with one, what came could not be used
		w.tell(e, EventRefreshed)
	}
	if w.out {
		w.failing = false
		return
	}
	w.sawTrouble(rec, e, first)
}

// cameBack: rec is no stale read of a login that was moved away, but what was moved back.
// Its Seq may be below that of the mark that it left here.
func (w *witnessed) cameBack(rec *record) bool {
	return w.moved && rec.SignedOut == nil && rec.Rev != w.live
}

// sawTrouble reports a refusal or a failure that is newer than the last one.
func (w *witnessed) sawTrouble(rec *record, e Event, first bool) {
	if f := rec.refused(); f != nil {
		if f.At.After(w.refused) {
			w.refused, e.Err = f.At, f.err()
			w.tell(e, EventRefused)
		}
		return
	}
	if b := rec.Backoff; b != nil && b.Until.After(w.until) {
		w.until = b.Until
		retry := backoffError(rec)
		e.Err, e.Until = retry, retry.At
		if first && !e.Until.After(time.Now()) {
			w.failing = true // it is old, and an attempt is due
			return
		}
		kind := EventBackingOff
		if b.Class == oauth.Unknown {
			kind = EventUnknownOutcome
			if rec.Note != nil {
				w.note = rec.Note.ID
			}
		}
		w.tell(e, kind)
		return
	}
	if n := rec.unanswered(); n != nil && n.ID != w.note && n.Ended.IsZero() && n.certainlyDead(true) {
		w.note = n.ID
		e.Err = &RetryError{Err: fmt.Errorf("%w: a refresh by %s was cut off", ErrUnknownOutcome, n.attempt())}
		w.tell(e, EventUnknownOutcome)
	}
}

func eventOf(rec *record, here bool) Event {
	e := Event{Login: rec.Login, Seq: rec.Seq, Here: here}
	if c := rec.Credential; c != nil {
		e.AccountID, e.Expiry = c.AccountID, c.Expiry
	}
	return e
}

// gone notes that there is no record. Where one was seen nobody has signed out: a
// volume may be unmounted.
func (w *witnessed) gone(err error) {
	w.mu.Lock()
	lost := w.known && !w.out
	w.mu.Unlock()
	if lost || errors.Is(err, reason.ErrStoreAway) {
		w.cantRead(fmt.Errorf("%w: the record of this login is gone, and nobody signed out: its volume may not be mounted", reason.ErrStoreAway))
	}
}

// cantRead notes that the login can't be read.
func (w *witnessed) cantRead(err error) { w.storeFailed(&w.unread, err) }

// cantSave notes that the store does not take what is new.
func (w *witnessed) cantSave(err error) { w.storeFailed(&w.unsaved, err) }

func (w *witnessed) storeFailed(which *bool, err error) {
	if w.hook == nil || errors.Is(err, ErrLost) || errors.Is(err, ErrBusy) || errors.Is(err, context.Canceled) {
		return // somebody else was faster, or the caller has gone
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.unread || w.unsaved
	*which = true
	if !before {
		w.tell(Event{Err: err}, EventStoreAway)
	}
}

// saved notes that the store took a record of ours.
func (w *witnessed) saved(rec *record) {
	if w.hook == nil {
		return
	}
	w.mu.Lock()
	if w.unsaved {
		w.unsaved = false
		w.storeBack()
	}
	w.mu.Unlock()
	w.saw(rec, true)
}

// storeBack tells that the store is back, if nothing is amiss with it any more. The
// caller holds mu.
func (w *witnessed) storeBack() {
	if !w.unread && !w.unsaved {
		w.tell(Event{}, EventStoreBack)
	}
}

// failed notes why an attempt to get a token brought none, where the record does
// not tell, as when the server can't be reached: once, until something changes.
func (w *witnessed) failed(err error) {
	if w.hook == nil || err == nil {
		return
	}
	for _, known := range []error{ErrRefused, ErrSignedOut, ErrBusy, ErrClosed, errVain, context.Canceled} {
		if errors.Is(err, known) {
			return // the record tells, or it is nothing to be told
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing || w.unread || w.unsaved {
		return
	}
	e := Event{Login: w.login, Seq: w.seq, Err: err, Here: true}
	if retry := (*RetryError)(nil); errors.As(err, &retry) {
		e.Until = retry.At
	}
	w.tell(e, EventBackingOff)
}

// tell queues an event. The caller holds mu.
func (w *witnessed) tell(e Event, kind EventKind) {
	e.Kind, e.Key, e.At = kind, w.key, time.Now()
	switch kind {
	case EventRefused, EventBackingOff, EventUnknownOutcome:
		w.failing = true
	case EventRefreshed, EventSignedIn:
		e.Recovered, w.failing = w.failing, false
	}
	e.ID = e.id()
	if w.closed {
		return
	}
	w.waiting = append(w.waiting, e)
	if len(w.waiting) > mostEvents {
		w.waiting = w.waiting[1:]
	}
	if !w.delivering {
		w.delivering = true
		go w.deliver()
	}
}

// deliver calls the hook, one event after the other, and ends when none waits.
func (w *witnessed) deliver() {
	for {
		w.mu.Lock()
		if len(w.waiting) == 0 {
			w.delivering = false
			if w.idle != nil {
				close(w.idle)
			}
			w.mu.Unlock()
			return
		}
		e := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.mu.Unlock()
		w.hook(e)
	}
}

// close returns when what has happened is delivered. Nothing is afterwards.
func (w *witnessed) close() {
	w.mu.Lock()
	if w.closed || !w.delivering {
		w.closed = true
		w.mu.Unlock()
		return
	}
	w.closed, w.idle = true, make(chan struct{})
	w.mu.Unlock()
	<-w.idle
}
