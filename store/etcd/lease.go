package etcd

import (
	"context"
	"time"

	"codexauth/internal/process"
	"codexauth/internal/wait"
)

// leaseTTL is how long a claim outlives a holder that vanished with its machine.
// (One that died on a machine where others wait is noticed at once.)
//
// It could be longer for the sake of a holder that merely stands still: but what
// such a one has sent is guarded by the note in the record for 80 seconds more,
// and while the old token is valid for as long as that. It could be shorter for
// the sake of those who wait: but so it is over, together with those 80 seconds,
// within the two minutes that a Manager waits.
const leaseTTL = 30 * time.Second

// keepsPerTTL is how often a lease is kept alive in its time: who is cut off or
// stopped just before one is due still has five sixths of it.
const keepsPerTTL = 6

// lease is etcd's promise to remove what is attached to it if it is not kept alive.
type lease struct {
	gateway *gateway
	id      number
	stop    context.CancelFunc
	done    chan struct{} // closed when nobody keeps it alive any more
	alive   process.Witness
}

// grant makes a lease and keeps it alive until it ends.
func (g *gateway) grant(ctx context.Context, ttl time.Duration) (*lease, error) {
	var answer leaseMessage
	if _, err := g.call(ctx, "lease/grant", leaseMessage{TTL: number(ttl / time.Second)}, &answer); err != nil {
		return nil, err
	}
	keeping, stop := context.WithCancel(context.Background())
	l := &lease{gateway: g, id: answer.ID, stop: stop, done: make(chan struct{}), alive: process.NewWitness()}
	go l.keep(keeping, ttl/keepsPerTTL)
	return l, nil
}

// keep keeps the lease alive until ctx ends, or until there is no such lease.
func (l *lease) keep(ctx context.Context, every time.Duration) {
	defer close(l.done)
	pause := every
	for wait.Sleep(ctx, pause) == nil {
		asking, cancel := context.WithTimeout(ctx, every)
		var answer streamed[leaseMessage]
		_, err := l.gateway.call(asking, "lease/keepalive", leaseMessage{ID: l.id}, &answer)
		cancel()
		switch {
		case err != nil || answer.Result == nil:
			pause = min(every, time.Second)
		case answer.Result.TTL <= 0:
			return
		default:
			pause = every
		}
	}
}

// end gives the lease back, and with it what is attached to it.
func (l *lease) end(limit time.Duration) error {
	defer l.alive.Remove()
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return l.gateway.revoke(ctx, l.id)
}

// revoke ends a lease; one that has ended is no error.
func (g *gateway) revoke(ctx context.Context, id number) error {
	var answer struct{}
	_, err := g.call(ctx, "lease/revoke", leaseMessage{ID: id}, &answer)
	if says(err, grpcNotFound, "") {
		return nil
	}
	return err
}
