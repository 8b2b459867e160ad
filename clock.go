package codexauth

import (
	"os"
	"time"
)

// fallbackClock is the wall clock as a duration. A step of it makes a rotation
// withdraw and try again, or a waiter wait longer; neither spends anything.
func fallbackClock() time.Duration { return time.Duration(time.Now().UnixNano()) }

// minSkew is the least difference to the issuer's clock that counts: its Date
// has a resolution of a second and is as old as its way here.
const minSkew = 20 * time.Second

// skewOf is how far the issuer's clock is ahead of the local one, by the Date of
// an answer that was asked for at sent and read now. Both are wall clock. The
// answer may have waited in between for a process that was stopped or a machine
// that slept: then all that is certain is a range, and known, what was learned
// earlier, stands as far as it lies in it.
func skewOf(date, sent, now time.Time, known time.Duration) time.Duration {
	if date.IsZero() {
		return 0
	}
	least, most := date.Sub(now), date.Sub(sent)
	d := max(least, min(known, most))
	if d.Abs() >= minSkew {
		return d.Truncate(time.Second)
	}
	return 0
}

// skew is how far the issuer's clock is ahead of this host's.
func (r *record) skew() time.Duration {
	if len(r.Skew) == 0 {
		return 0
	}
	return time.Duration(r.Skew[hostname()]) * time.Millisecond
}

// learnSkew remembers for this host what the Date of an answer taught that was
// asked for at sent and read now.
func (r *record) learnSkew(date, sent, now time.Time) {
	if date.IsZero() {
		return
	}
	skew := skewOf(date, sent, now, r.skew())
	if skew == r.skew() {
		return
	}
	skews := make(map[string]int64, len(r.Skew)+1)
	for host, ms := range r.Skew {
		if len(skews) < maxSkews-1 {
			skews[host] = ms
		}
	}
	delete(skews, hostname())
	if skew != 0 {
		skews[hostname()] = skew.Milliseconds()
	}
	r.Skew = skews
}

// maxSkews bounds how many hosts' clocks a record remembers.
const maxSkews = 64

func hostname() string {
	h, _ := os.Hostname()
	return h
}
