package etcd

import (
	"context"
	"time"

	"codexauth/internal/process"
	"codexauth/store/etcd/internal/gateway"
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

// lease holds a place in a queue, with a witness that its holder lives.
type lease struct {
	*gateway.Lease
	alive process.Witness
}

func (s *Store) grant(ctx context.Context) (*lease, error) {
	l, err := s.gateway.Grant(ctx, s.ttl)
	if err != nil {
		return nil, err
	}
	return &lease{l, process.NewWitness()}, nil
}

// end gives the lease back, and the place with it.
func (l *lease) end(limit time.Duration) error {
	defer l.alive.Remove()
	return l.End(limit)
}
