package monitor

import (
	"strconv"
	"sync/atomic"
	"time"
)

// bounds are those of a Histogram's buckets, in seconds: from what a broker adds to
// how long a long answer streams.
var bounds = [...]float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900}

// Histogram counts how long something took. The zero value is empty.
type Histogram struct {
	buckets [len(bounds) + 1]atomic.Int64
	nanos   atomic.Int64
}

// Observe counts one.
func (h *Histogram) Observe(took time.Duration) {
	i := 0
	for seconds := took.Seconds(); i < len(bounds) && seconds > bounds[i]; {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(took))
}

// Empty: nothing was counted.
func (h *Histogram) Empty() bool {
	for i := range h.buckets {
		if h.buckets[i].Load() != 0 {
			return false
		}
	}
	return true
}

// Histogram writes the lines of h, under a family that was begun.
func (w *Exposition) Histogram(name string, h *Histogram, labels ...string) {
	sum := time.Duration(h.nanos.Load()).Seconds() // before the buckets: what ends meanwhile is in the next scrape
	total := int64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		w.Line(name+"_bucket", float64(total), append(append([]string{}, labels...), "le", le)...)
	}
	w.Line(name+"_sum", sum, labels...)
	w.Line(name+"_count", float64(total), labels...)
}
