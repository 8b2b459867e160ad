package codexauth_test

import (
	"testing"
	"time"

	"codexauth"
)

// The clock of the fence is no wall clock, which anybody may set meanwhile.
func TestFenceClockIsNoWallClock(t *testing.T) {
	first := codexauth.SinceBoot()
	if first <= 0 || first > 25*365*24*time.Hour {
		t.Errorf("%v since boot", first)
	}
	if second := codexauth.SinceBoot(); second < first {
		t.Errorf("it went back from %v to %v", first, second)
	}
}
