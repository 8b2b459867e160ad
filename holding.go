package codexauth

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"codexauth/internal/oauth"
	"codexauth/internal/wait"
)

// A rotation under its claim belongs to the Manager and not to those who wait for
// it. They are told after a time that the outcome is not known, or that the new
// token is not saved; the rotation itself reads on, and saves late, for as long as
// this process lives: nobody else may try meanwhile anyway.

const (
	// answerLife bounds even that: no server answers after an hour, and a claim must
	// end some time.
	answerLife = time.Hour
	// latePause is the longest pause between two attempts to save a successor of
	// which everybody has been told. Whoever asks for a token causes one at once.
	latePause = 10 * time.Second
)

// holding is a rotation under its claim.
type holding struct {
	k     *keeper
	claim Claim
	done  chan struct{} // closed at the end, when held and err tell the result
	held  *held
	err   error

	told     chan struct{} // closed when those who wait need not wait any longer
	late     error         // set before told is closed: why
	saving   atomic.Bool
	again    chan chan error // asks for an attempt to save, and gets its error
	rescued  chan struct{}   // closed when a successor that is not saved is in a rescue file
	shelters []*shelter
}

// undertake runs a rotation under claim, and returns the result, or what those who
// wait are told meanwhile. It releases the claim when it is over.
func (k *keeper) undertake(claim Claim, rotate func(*holding) (*held, error)) (*held, error) {
	hd := &holding{k: k, claim: claim, done: make(chan struct{}), told: make(chan struct{}), again: make(chan chan error), rescued: make(chan struct{})}
	k.mu.Lock()
	k.holding = hd
	k.mu.Unlock()
	k.wg.Go(func() {
		hd.held, hd.err = rotate(hd)
		k.release(claim)
		closeShelters(hd.shelters)
		k.mu.Lock()
		k.holding = nil
		k.mu.Unlock()
		close(hd.done)
	})
	select {
	case <-hd.done:
		return hd.held, hd.err
	case <-hd.told:
		return nil, hd.late
	}
}

// underWay returns the rotation of this Manager that is not over, if there is one.
func (k *keeper) underWay() *holding {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holding
}

// rejoin is for somebody who wants a token while a rotation goes on of which all
// have been told. It causes an attempt to save if there is something to save. Its
// error is why there is no new token yet; nil means that the rotation is over.
func (hd *holding) rejoin(ctx context.Context) error {
	if !hd.saving.Load() {
		select {
		case <-hd.done:
			return nil
		default:
			return hd.late
		}
	}
	reply := make(chan error, 1)
	select {
	case hd.again <- reply:
	case <-hd.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-hd.done:
		return nil
	}
}

// tell lets those go who wait, with err. What it says later is not heard.
func (hd *holding) tell(err error) {
	select {
	case <-hd.told:
	default:
		hd.late = err
		close(hd.told)
	}
}

// ask sends a request and returns its answer, however late it comes. After the
// time that one request may take, others are told that its outcome is unknown; but
// where never says that the token has not left and won't any more, as behind a proxy
// that hangs, the request ends there, and nothing was spent. Close ends the wait from
// then on.
func (hd *holding) ask(ctx context.Context, noted *record, never func() bool, refresh func(context.Context) (*oauth.Answer, error)) (*oauth.Answer, error) {
	type reply struct {
		answer *oauth.Answer
		err    error
	}
	request, cancel := withPatientTimeout(ctx, answerLife)
	defer cancel()
	replied := make(chan reply, 1)
	go func() {
		answer, err := refresh(request)
		replied <- reply{answer, err}
	}()
	// It is patient, too: who stood still reads an answer that waits before it says
	// that there is none.
	patience, stop := withPatientTimeout(context.Background(), hd.k.cfg.RequestTimeout)
	defer stop()
	overdue := patience.Done()
	var closed <-chan struct{}
	for {
		select {
		case r := <-replied:
			return r.answer, r.err
		case <-overdue:
			if never() {
				return nil, &oauth.Error{Op: "refresh", Class: oauth.Transient,
					Err: fmt.Errorf("there was no connection to the server within %v, and nothing was sent", hd.k.cfg.RequestTimeout)}
			}
			hd.tellOverdue(ctx, noted)
			overdue, closed = nil, hd.k.ctx.Done()
		case <-closed:
			cancel()
			closed = nil
		}
	}
}

// tellOverdue tells all who share the record that a refresh has no known outcome.
// The note stays as it is: this process is alive and reads on.
func (hd *holding) tellOverdue(ctx context.Context, noted *record) {
	e := &oauth.Error{Op: "refresh", Class: oauth.Unknown,
		Err: fmt.Errorf("the server has not answered for %v, and process %d goes on waiting for it", hd.k.cfg.RequestTimeout, noted.Note.PID)}
	backOff(noted, e, time.Now())
	// What is reserved is the successor's: this is told only if there is more.
	if reserve(ctx, hd.claim, 1) == nil {
		hd.k.settle(ctx, hd.claim, noted)
	}
	hd.tell(backoffError(noted))
}

// withPatientTimeout is context.WithTimeout for a process that may be stopped
// meanwhile: a timer that goes off much too late means that nobody was there to
// read, and the answer may be waiting. Then there is some more time to read it.
func withPatientTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return patientTimeout(parent, d, wait.Sleep)
}

// patientTimeout is withPatientTimeout with a sleep that a test can prolong.
func patientTimeout(parent context.Context, d time.Duration, sleep func(context.Context, time.Duration) error) (context.Context, context.CancelFunc) {
	const late, more = 3 * time.Second, 15 * time.Second
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		for {
			began := time.Now()
			if sleep(ctx, d) != nil {
				return
			}
			if time.Since(began) < d+late {
				cancel(context.DeadlineExceeded)
				return
			}
			d = more
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// reserve makes sure of n commits under claim.
func reserve(ctx context.Context, claim Claim, n int) error {
	r, ok := claim.(Reserver)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	for range n {
		if err := r.Reserve(ctx, roomFor(claim.Record())); err != nil {
			return err
		}
	}
	return nil
}

// save makes next durable in place of spent, whatever it takes. It returns the
// record that is there in the end: next, or one that somebody else made of the
// same or a newer login. After saveTimeout those who wait are told, and the
// attempts go on until Close, which causes a last one.
func (hd *holding) save(ctx context.Context, spent, next *record) (*record, error) {
	s := &saving{k: hd.k, claim: hd.claim, spent: spent, next: next, shelters: hd.shelters}
	began := time.Now()
	closed := hd.k.ctx.Done()
	hd.saving.Store(true)
	defer hd.saving.Store(false)
	var reply chan error // of whoever asked for this attempt
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		rec, done, err := s.try(ctx)
		if done {
			return rec, err
		}
		unsaved := s.notSaved(err)
		if reply != nil {
			reply <- unsaved
			reply = nil
		}
		if time.Since(began) >= saveTimeout {
			hd.tellUnsaved(s, unsaved)
			if closed == nil {
				return nil, s.givenUp(err)
			}
			pause = latePause
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case reply = <-hd.again:
		case <-closed:
			closed = nil
		}
		timer.Stop()
	}
}

func (hd *holding) tellUnsaved(s *saving, err error) {
	hd.tell(err)
	if len(s.rescue) == 0 {
		return
	}
	select {
	case <-hd.rescued:
	default:
		close(hd.rescued)
	}
}
