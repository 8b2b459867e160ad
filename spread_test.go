package codexauth_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

// timedLessor notes when it is asked. With a store in its place nothing differs but
// the disk's work, of which a thousand logins have much.
type timedLessor struct {
	mu    sync.Mutex
	begun time.Time
	at    map[time.Duration]int // by the second
	n     int
}

func (l *timedLessor) Lease(context.Context, codexauth.LeaseRequest) (codexauth.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[time.Since(l.begun).Truncate(time.Second)]++
	l.n++
	end := time.Now().Add(time.Hour)
	token := codexauth.Token{AccessToken: codexauth.NewSecret(fmt.Sprint("token-", l.n)), Expiry: end}
	return codexauth.Lease{Token: token, Due: end.Add(-5 * time.Minute), End: end}, nil
}

// The tokens of a thousand logins in one process, all issued in the same moment, are
// each renewed once before they end, and not in one wave.
func TestRefreshesOfManyLoginsAreSpread(t *testing.T) {
	const many = 1000
	synctest.Test(t, func(t *testing.T) {
		l := &timedLessor{begun: time.Now(), at: map[time.Duration]int{}}
		for range many {
			m, err := codexauth.NewManager(codexauth.Config{Lessor: l})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if _, err := m.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		first, last, most, all := time.Hour, time.Duration(0), 0, 0
		for second, n := range l.at {
			if second > 0 { // in which all began
				first, last, most, all = min(first, second), max(last, second), max(most, n), all+n
			}
		}
		if all != many || last >= time.Hour || last-first < 50*time.Second || most > many/20 {
			t.Errorf("%d refreshes from %v to %v, at most %d in a second", all, first, last, most)
		}
	})
}
