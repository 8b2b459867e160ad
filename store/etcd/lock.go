package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"codexauth"
	"codexauth/internal/wait"
	"codexauth/store/etcd/internal/gateway"
)

// Who wants a claim puts a key of its own, attached to a lease of its own, into
// a queue: the keys that begin alike. The one that was created first is the
// holder's; it is gone when the holder releases it or its lease ends. Everybody
// else watches the key just before its own, so that a release wakes one waiter.

const (
	// attemptTimeout is the least time that a Claim has for its own round trips,
	// however short its deadline.
	attemptTimeout = 5 * time.Second
	// lookAgain is when a waiter looks even if its watch tells nothing.
	lookAgain = 10 * time.Second
	// deathWatch is how often a waiter looks whether the one ahead is dead, if it
	// is of this machine.
	deathWatch = 250 * time.Millisecond
	// outage is how long a waiter puts up with an etcd that can't be asked.
	outage = 45 * time.Second
	// quitTimeout is what giving up a place in the queue may take; if it fails, its
	// lease ends by itself.
	quitTimeout = time.Second
)

// errPlaceLost: the waiter was stopped or cut off for longer than its lease.
var errPlaceLost = errors.New("the place in the queue was lost")

// place is a place in a key's queue.
type place struct {
	store   *Store
	key     string
	queue   []byte // begins all keys of the queue
	mine    []byte
	created gateway.Number
	lease   *lease
}

// lock waits for the first place in the key's queue, and reads the record.
func (s *Store) lock(ctx context.Context, key string) (*lease, entry, error) {
	for {
		p, e, err := s.lineUp(ctx, key)
		if err == nil {
			return p.lease, e, nil
		}
		if p != nil {
			_ = p.lease.end(quitTimeout)
		}
		if !errors.Is(err, errPlaceLost) {
			return nil, entry{}, err
		}
	}
}

// lineUp takes a place in the queue and waits until it is the first. An error
// comes with the place, if one was taken, for the caller to give back.
func (s *Store) lineUp(ctx context.Context, key string) (*place, entry, error) {
	starting, cancel := wait.Lasting(ctx, attemptLimit(ctx))
	defer cancel()
	if ctx.Err() != nil { // a claim that is taken costs no more than a look
		holder, err := s.holder(starting, key)
		if err == nil && holder != nil && !ownerOf(holder.Value).gone() {
			err = busy(holder)
		}
		if err != nil {
			return nil, entry{}, err
		}
	}
	l, err := s.grant(starting)
	if err != nil {
		return nil, entry{}, err
	}
	p := &place{store: s, key: key, queue: s.queueOf(key), lease: l}
	p.mine = fmt.Appendf(bytes.Clone(p.queue), "%016x", int64(l.ID))
	first, e, err := p.enter(starting, ctx.Err() == nil)
	if err != nil || first {
		return p, e, err
	}
	e, err = p.wait(ctx)
	return p, e, err
}

func attemptLimit(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(answerTimeout, max(time.Until(deadline), attemptTimeout))
	}
	return answerTimeout
}

// queueOf begins the keys of the queue for key. No other queue's begin with it.
func (s *Store) queueOf(key string) []byte {
	return []byte(s.prefix + "claims/" + url.PathEscape(key) + "/")
}

// firstOf looks for a queue's first place, which is the holder's.
func firstOf(queue []byte) *gateway.Range {
	return &gateway.Range{Key: queue, RangeEnd: gateway.PrefixEnd(queue), Limit: 1, SortOrder: "ASCEND", SortTarget: "CREATE"}
}

// holder returns who has the claim of key, or nil.
func (s *Store) holder(ctx context.Context, key string) (*gateway.KeyValue, error) {
	var found gateway.RangeAnswer
	_, err := s.gateway.Call(ctx, "kv/range", firstOf(s.queueOf(key)), &found)
	return found.First(), err
}

// enter takes the last place, or only the first one if there is no time to wait.
func (p *place) enter(ctx context.Context, wait bool) (first bool, e entry, err error) {
	reads := []gateway.Operation{
		{Range: firstOf(p.queue)},
		{Range: &gateway.Range{Key: p.mine}},
		{Range: &gateway.Range{Key: p.store.recordKey(p.key)}},
	}
	enter := gateway.Txn{
		Success: append([]gateway.Operation{{Put: &gateway.Put{Key: p.mine, Value: thisOwner(p.lease.alive), Lease: p.lease.ID}}}, reads...),
		Failure: reads,
	}
	if !wait {
		enter.Compare = []gateway.Compare{gateway.CreatedAt(p.queue, gateway.PrefixEnd(p.queue), 0)}
	}
	for {
		var t gateway.TxnAnswer
		if _, err := p.store.gateway.Call(ctx, "kv/txn", enter, &t); err != nil {
			if gateway.Says(err, gateway.NotFound, "lease") {
				err = errPlaceLost
			}
			return false, entry{}, err
		}
		holder, mine := t.Found(0), t.Found(1)
		switch {
		case mine != nil: // also if an attempt before this one took it, and its answer was lost
			p.created = mine.CreateRevision
			return bytes.Equal(holder.Key, p.mine), entryOf(t.Found(2)), nil
		case holder == nil:
			return false, entry{}, errors.New("etcd put a key and does not have it")
		case !ownerOf(holder.Value).gone():
			return false, entry{}, busy(holder)
		}
		if err := p.store.gateway.Revoke(ctx, holder.Lease); err != nil {
			return false, entry{}, err
		}
	}
}

// busy is the error of a claim that somebody else holds.
func busy(holder *gateway.KeyValue) error {
	return fmt.Errorf("%w: held by %s", codexauth.ErrBusy, ownerOf(holder.Value))
}

// wait waits until this place is the first. What etcd fails to tell for a while
// it is asked again: it may be restarting.
func (p *place) wait(ctx context.Context) (entry, error) {
	answered, pause := time.Now(), 20*time.Millisecond
	for {
		e, ahead, now, err := p.look(ctx)
		switch {
		case err == nil && ahead == nil, errors.Is(err, errPlaceLost):
			return e, err
		case ctx.Err() != nil:
			return entry{}, p.store.late(ctx, p.key, p.mine, err)
		case err == nil:
			answered = time.Now()
			_, err = p.store.outlast(ctx, ahead, gateway.DeletionOf(ahead.Key, now+1))
		case gateway.Final(err) || time.Since(answered) > outage:
			return entry{}, err
		}
		if err == nil {
			pause = 20 * time.Millisecond
		} else if wait.Sleep(ctx, pause) == nil {
			pause = min(2*pause, time.Second)
		}
	}
}

// look returns the record if this place is the first, and otherwise who is just
// ahead, at which revision.
func (p *place) look(ctx context.Context) (e entry, ahead *gateway.KeyValue, now gateway.Number, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var t gateway.TxnAnswer
	_, err = p.store.gateway.Call(ctx, "kv/txn", gateway.Txn{
		Compare: []gateway.Compare{gateway.CreatedAt(p.mine, nil, p.created)},
		Success: []gateway.Operation{
			{Range: &gateway.Range{Key: p.queue, RangeEnd: gateway.PrefixEnd(p.queue), MaxCreateRevision: p.created - 1,
				Limit: 1, SortOrder: "DESCEND", SortTarget: "CREATE"}},
			{Range: &gateway.Range{Key: p.store.recordKey(p.key)}},
		},
	}, &t)
	if err == nil && !t.Succeeded {
		err = errPlaceLost
	}
	return entryOf(t.Found(1)), t.Found(0), t.Header.Revision, err
}

// outlast returns when something happened to one of the keys, the one ahead was
// found dead, or it is time to look again, which is no event.
func (s *Store) outlast(ctx context.Context, ahead *gateway.KeyValue, keys ...gateway.Watch) (*gateway.Event, error) {
	who := ownerOf(ahead.Value)
	watching, cancel := context.WithTimeout(ctx, lookAgain)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for who.here() {
			if who.gone() {
				cancel()
			}
			if wait.Sleep(watching, deathWatch) != nil {
				return
			}
		}
	}()
	what, err := s.gateway.AwaitEvent(watching, keys...)
	late := watching.Err() != nil
	cancel()
	<-looked
	switch {
	case err == nil:
		return what, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case who.gone():
		return &gateway.Event{}, s.gateway.Revoke(ctx, ahead.Lease)
	case late:
		return nil, nil
	}
	return nil, err
}

// late is the error of a Claim whose context has ended. Its own key is mine.
func (s *Store) late(ctx context.Context, key string, mine []byte, err error) error {
	if err := wait.GivenUp(ctx); err != nil {
		return err
	}
	asking, cancel := wait.Lasting(ctx, 2*time.Second)
	defer cancel()
	holder, asked := s.holder(asking, key)
	if holder != nil && !bytes.Equal(holder.Key, mine) {
		return busy(holder)
	}
	if err == nil {
		err = asked
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: the holder has just released it", codexauth.ErrBusy)
}
