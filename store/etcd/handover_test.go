package etcd

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkHandover is how long those who wait for a claim take to see what its
// holder committed: "first" is the first of them, "median" the one in the middle
// and "last" the last, in milliseconds after the commit.
func BenchmarkHandover(b *testing.B) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			address := newAddress(b)
			s := open(b, address)
			waiters := make([]*Store, n)
			for i := range waiters {
				waiters[i] = open(b, address)
			}
			var first, median, last time.Duration
			for b.Loop() {
				delays := handover(b, s, waiters)
				first, median, last = first+delays[0], median+delays[n/2], last+delays[n-1]
			}
			for name, sum := range map[string]time.Duration{"first-ms": first, "median-ms": median, "last-ms": last} {
				b.ReportMetric(sum.Seconds()*1e3/float64(b.N), name)
			}
		})
	}
}

// handover returns the delays of all waiters, sorted.
func handover(b *testing.B, s *Store, waiters []*Store) []time.Duration {
	c := mustClaim(b, s, "work")
	granted := make([]time.Time, len(waiters))
	var all sync.WaitGroup
	for i, waiter := range waiters {
		all.Go(func() {
			c, err := waiter.Claim(patient(b), "work")
			if err != nil {
				b.Error(err)
				return
			}
			granted[i] = time.Now()
			if err := c.Release(); err != nil {
				b.Error(err)
			}
		})
	}
	until(b, "all are in the queue", func() bool { return queued(b, s, "work") == len(waiters)+1 })
	time.Sleep(20 * time.Millisecond) // until their watches stand
	mustCommit(b, c, "new")
	committed := time.Now()
	mustRelease(b, c)
	all.Wait()
	delays := make([]time.Duration, len(waiters))
	for i, at := range granted {
		delays[i] = at.Sub(committed)
	}
	slices.Sort(delays)
	return delays
}
