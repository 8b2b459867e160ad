package codexauth

import "time"

// fallbackClock is the wall clock as a duration. A step of it makes a rotation
// withdraw and try again, or a waiter wait longer; neither spends anything.
func fallbackClock() time.Duration { return time.Duration(time.Now().UnixNano()) }

// minSkew is the least difference to the issuer's clock that counts: its Date
// has a resolution of a second and is as old as its way here.
const minSkew = 20 * time.Second

// skewOf is how far the issuer's clock is ahead of the local one.
func skewOf(date, now time.Time) time.Duration {
	if date.IsZero() {
		return 0
	}
	if d := date.Sub(now); d.Abs() >= minSkew {
		return d.Truncate(time.Second)
	}
	return 0
}
