package broker

import (
	"context"
	"sync"
	"time"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/internal/cleantext"
)

const (
	usageEvery = time.Minute // the backend is asked no more often, and only while somebody watches
	usageWait  = 2 * time.Second
	usageOld   = 5 * time.Minute // an answer of before is worth waiting for a newer one
)

// usageWatch keeps how much of a login's limits is used, for those who watch.
type usageWatch struct {
	mu    sync.Mutex
	known *overview.Usage // nil until there was an answer, or none in its place
	next  time.Time
	asked chan struct{} // closed when the question that is out has its answer; nil if none is
}

// watched returns what is known, and asks the backend again in the background where
// that is old. Only who watches first, or again after a while, waits for it, until
// ctx ends. A login that needs a refresh is not asked for: to watch one brings none.
func (u *usageWatch) watched(ctx context.Context, s *Server, l *login, state codexauth.State) *overview.Usage {
	known, asked := u.ask(s, l, state == codexauth.StateValid)
	if asked == nil || known != nil && time.Since(known.At) < usageOld {
		return known
	}
	select {
	case <-asked:
	case <-ctx.Done():
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known
}

// ask asks, unless there are many questions under way: of a thousand logins not all
// are asked for at once.
func (u *usageWatch) ask(s *Server, l *login, can bool) (*overview.Usage, <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !can || u.asked != nil || time.Now().Before(u.next) {
		return u.known, u.asked
	}
	if s.asking.Add(1) > lookTogether || !s.enter() {
		s.asking.Add(-1)
		return u.known, nil
	}
	u.asked = make(chan struct{})
	go u.fetch(s, l)
	return u.known, u.asked
}

func (u *usageWatch) fetch(s *Server, l *login) {
	defer s.handlers.Done()
	defer s.asking.Add(-1)
	got, err := l.Manager.Usage(s.ctx, s.cfg.Transport)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil:
		u.known = overview.UsageOf(got, time.Now())
	case u.known == nil:
		u.known = &overview.Usage{Error: cleantext.Message(err.Error())}
	default:
		old := *u.known // others may be reading it
		old.Error = cleantext.Message(err.Error())
		u.known = &old
	}
	// With many logins each has its turn before the first is asked for again.
	u.next = time.Now().Add(max(usageEvery, time.Duration(len(s.logins))*time.Second))
	close(u.asked)
	u.asked = nil
}
