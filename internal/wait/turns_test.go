package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		leave, err := turns.Take(ended, "a") // it is free
		if err != nil {
			t.Fatal(err)
		}
		if _, err := turns.Take(ended, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("a turn that is taken: %v", err)
		}
		other, err := turns.Take(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		other()
		had := make(chan func())
		go func() {
			next, _ := turns.Take(t.Context(), "a")
			had <- next
		}()
		synctest.Wait()
		select {
		case <-had:
			t.Fatal("two have one turn")
		default:
		}
		leave()
		(<-had)()
	})
}
