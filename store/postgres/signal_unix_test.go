//go:build unix

package postgres

import (
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/standstill"
	"codexauth/store/storetest"
)

// TestKilledHolderLetsGoAtOnce: not after a time-out.
func TestKilledHolderLetsGoAtOnce(t *testing.T) {
	place := newPlace(t)
	s := place.Open()
	holder := storetest.StartHolder(t, place)
	granted := make(chan error)
	go func() {
		c, err := s.Claim(patient(t), "shared")
		if err == nil {
			err = c.Release()
		}
		granted <- err
	}()
	until(t, "the waiter queues up", waiting(t, 1))
	start := time.Now()
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the next claim came %v after the kill", took)
	}
}

// TestStoppedHolderKeepsTheClaim: what it spent can't be taken back.
func TestStoppedHolderKeepsTheClaim(t *testing.T) {
	place := newPlace(t)
	s := place.Open()
	holder := storetest.StartHolder(t, place)
	if err := standstill.Stop(holder.Process); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := s.Claim(expired(t), "shared")
		wantError(t, err, codexauth.ErrBusy)
	}
	if err := standstill.Continue(holder.Process); err != nil {
		t.Fatal(err)
	}
	_, err := s.Claim(expired(t), "shared")
	wantError(t, err, codexauth.ErrBusy)
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c, err := s.Claim(patient(t), "shared")
	if err != nil {
		t.Fatal(err)
	}
	mustRelease(t, c)
}
