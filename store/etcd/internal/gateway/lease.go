package gateway

import (
	"context"
	"time"

	"codexauth/internal/wait"
)

// keepsPerTTL is how often a lease is kept alive in its time: who is cut off or
// stopped just before one is due still has five sixths of it.
const keepsPerTTL = 6

// Lease is etcd's promise to remove what is attached to it if it is not kept alive.
type Lease struct {
	ID     Number
	client *Client
	stop   context.CancelFunc
	done   chan struct{} // closed when nobody keeps it alive any more
}

// Grant makes a lease and keeps it alive until it ends.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (*Lease, error) {
	var answer leaseMessage
	if _, err := c.Call(ctx, "lease/grant", leaseMessage{TTL: Number(ttl / time.Second)}, &answer); err != nil {
		return nil, err
	}
	keeping, stop := context.WithCancel(context.Background())
	l := &Lease{ID: answer.ID, client: c, stop: stop, done: make(chan struct{})}
	go l.keep(keeping, ttl/keepsPerTTL)
	return l, nil
}

// keep keeps the lease alive until ctx ends, or until there is no such lease.
func (l *Lease) keep(ctx context.Context, every time.Duration) {
	defer close(l.done)
	pause := every
	for wait.Sleep(ctx, pause) == nil {
		asking, cancel := context.WithTimeout(ctx, every)
		var answer streamed[leaseMessage]
		_, err := l.client.Call(asking, "lease/keepalive", leaseMessage{ID: l.ID}, &answer)
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

// Abandon stops keeping the lease alive, so that it ends by itself.
func (l *Lease) Abandon() {
	l.stop()
	<-l.done
}

// End gives the lease back, and with it what is attached to it.
func (l *Lease) End(limit time.Duration) error {
	l.Abandon()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return l.client.Revoke(ctx, l.ID)
}

// Revoke ends a lease; it is not an error if that has ended.
func (c *Client) Revoke(ctx context.Context, id Number) error {
	var answer struct{}
	_, err := c.Call(ctx, "lease/revoke", leaseMessage{ID: id}, &answer)
	if Says(err, NotFound, "") {
		return nil
	}
	return err
}
