package main

import (
	"errors"
	"fmt"
	"time"
)

// slow: the server spends the token, and answers after longer than anybody is kept
// waiting. All are told that the outcome is unknown; the answer is saved all the
// same, and nothing is sent meanwhile.
func slow(latency time.Duration) func(*trial) error {
	return func(t *trial) error {
		if err := t.Fault(fmt.Sprintf("latency-after=%v*1@refresh", latency)); err != nil {
			return err
		}
		began := time.Now()
		r, err := t.Start("codexauth", nil, "token")
		if err != nil {
			return err
		}
		err = errors.Join(t.untilAsked(1), r.End().Want(exitTryLater))
		for time.Since(began) < latency {
			time.Sleep(time.Second)
		}
		return errors.Join(err, t.requests(1), t.livesAfter(1))
	}
}
