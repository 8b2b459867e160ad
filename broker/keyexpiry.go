package broker

import (
	"log/slog"
	"time"
)

// soonAt are how long before its end a key is told about.
var soonAt = [...]time.Duration{7 * 24 * time.Hour, 24 * time.Hour}

// ExpiresSoon reports whether a key ends within a week, or has ended.
func (k Key) ExpiresSoon(now time.Time) bool {
	return !k.Expires.IsZero() && k.Expires.Sub(now) <= soonAt[0]
}

// notices are how often the end of a key was told about, by its hash.
type notices map[[32]byte]notice

type notice struct {
	ends time.Time
	told int
}

// tell says once that a key is about to end, once more a day before, and once that
// it has ended.
func (n notices) tell(log *slog.Logger, keys []*heldKey, now time.Time) {
	seen := map[[32]byte]bool{}
	for _, h := range keys {
		ends := h.expires()
		if ends.IsZero() {
			continue
		}
		seen[h.SHA256] = true
		stage, left := 0, ends.Sub(now)
		for _, before := range append(soonAt[:], 0) {
			if left <= before {
				stage++
			}
		}
		last := n[h.SHA256]
		if !last.ends.Equal(ends) {
			last = notice{ends: ends}
		}
		if stage > last.told {
			last.told = stage
			what := "a key is about to expire"
			if left <= 0 {
				what = "a key has expired"
			}
			log.Warn(what, "key", h.Name, "at", ends.UTC().Format(time.RFC3339), "remedy",
				"codexauth serve key rotate "+h.Name+" --expires DURATION, with the --keys or --key-file that this server has, or let it end")
		}
		n[h.SHA256] = last
	}
	for sum := range n {
		if !seen[sum] {
			delete(n, sum)
		}
	}
}
