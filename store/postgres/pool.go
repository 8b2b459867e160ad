package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pool keeps a few connections for reading. (The driver's own pool does much that
// is not needed here, and every start of a program would pay for linking it.)
type pool struct {
	dial  func(context.Context) (*pgconn.PgConn, error)
	rules poolRules
	slots chan struct{} // one for each session that is in use and not taken out

	mu     sync.Mutex
	idle   []*session // the one used last comes last
	sweep  *time.Timer
	closed bool
}

// session is a connection of a pool. One goroutine uses it at a time.
type session struct {
	*pgconn.PgConn
	until time.Time // when it has lived long enough
	since time.Time // idle since
}

var errClosed = errors.New("the store is closed")

func newPool(dial func(context.Context) (*pgconn.PgConn, error), rules poolRules) *pool {
	return &pool{dial: dial, rules: rules, slots: make(chan struct{}, rules.maxConns)}
}

// get returns a session for use until put or takeOut, an idle one if there is
// one. It may have died meanwhile.
func (p *pool) get(ctx context.Context) (*session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.newest()
	if c == nil && err == nil {
		c, err = p.connect(ctx)
	}
	if err != nil {
		<-p.slots
	}
	return c, err
}

// newest takes the idle session that was used last, or nil.
func (p *pool) newest() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Now().Before(c.until) {
			return c, nil
		}
		hangUp(c)
	}
	return nil, nil
}

// connect makes a session. A server that is just starting, or that has no
// connection free for another, is asked again until ctx ends: a fleet that wakes
// up all at once needs more than there are, and each for a moment only.
func (p *pool) connect(ctx context.Context) (*session, error) {
	var last error // of a server that answered
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := p.dial(ctx)
		switch s := state(err); {
		case err == nil:
			return &session{PgConn: conn, until: p.rules.end()}, nil
		case s == tooMany || s == starting:
			last = err
		case last != nil && ctx.Err() != nil:
			return nil, last
		default:
			return nil, err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return nil, last
		}
	}
}

// put gives a session back that get returned.
func (p *pool) put(c *session) {
	p.keep(c, 0)
	<-p.slots
}

// takeOut makes a session that get returned the caller's own: it no longer counts.
func (p *pool) takeOut() { <-p.slots }

// bringBack is the end of takeOut.
func (p *pool) bringBack(c *session) { p.keep(c, 1) }

// keep makes a session idle, or ends it if it is of no more use; more is how many
// there are then that did not count before.
func (p *pool) keep(c *session, more int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	usable := !c.IsClosed() && !c.IsBusy() && c.TxStatus() == 'I'
	c.since = time.Now()
	if !usable || p.closed || len(p.idle)+len(p.slots)+more > p.rules.maxConns || c.since.After(c.until) {
		hangUp(c)
		return
	}
	p.idle = append(p.idle, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.rules.idleTime, p.sweepIdle)
	} else if len(p.idle) == 1 {
		p.sweep.Reset(p.rules.idleTime)
	}
}

// sweepIdle ends what has been idle for long.
func (p *pool) sweepIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		left := p.rules.idleTime - time.Since(p.idle[0].since)
		if left > 0 {
			p.sweep.Reset(left)
			return
		}
		hangUp(p.idle[0])
		p.idle = p.idle[1:]
	}
}

// close ends the idle sessions; those in use end when they are given back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for _, c := range p.idle {
		hangUp(c)
	}
	p.idle = nil
}

// hangUp closes the connection cleanly; otherwise the server logs that it broke.
func hangUp(c *session) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it is gone either way
}
