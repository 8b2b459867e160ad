package broker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ErrRate: a text is not a rate.
var ErrRate = errors.New("not a rate")

// Rate is how often a key may be used: N requests in a period, and how many of
// them at once after a rest. The zero Rate means no limit.
type Rate struct {
	N     int
	Per   time.Duration
	Burst int // 0 means N
}

// ParseRate reads "60/m": a number, and s, m, h or d for the period. The error
// is [ErrRate].
func ParseRate(text string) (Rate, error) {
	count, unit, _ := strings.Cut(text, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 1e6 || per == 0 {
		return Rate{}, fmt.Errorf("%w: write a number from 1 to 1000000 and /s, /m, /h or /d, such as 60/m", ErrRate)
	}
	return Rate{N: n, Per: per}, nil
}

// String is what ParseRate reads, and the burst where one is set: "60/m, burst 5".
// It is "" for no limit.
func (r Rate) String() string {
	if r.N == 0 {
		return ""
	}
	text := r.short()
	if r.Burst > 0 {
		text += fmt.Sprintf(", burst %d", r.Burst)
	}
	return text
}

func (r Rate) short() string {
	for unit, per := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if r.Per == per {
			return fmt.Sprintf("%d/%s", r.N, unit)
		}
	}
	return fmt.Sprintf("%d/%v", r.N, r.Per)
}

func (r Rate) check() error {
	if r.N < 0 || r.Burst < 0 || r.N > 0 && r.Per <= 0 || r.N == 0 && r.Burst > 0 {
		return fmt.Errorf("%w: %+v", ErrRate, r)
	}
	return nil
}

// meter is the token bucket of a Rate, kept as the time at which it would be full
// again: one number, and no lock.
type meter struct {
	Rate
	epoch time.Time
	full  atomic.Int64 // nanoseconds after epoch
}

func newMeter(r Rate) *meter { return &meter{Rate: r, epoch: time.Now()} }

// take uses the bucket once, or says how long it takes until that is possible.
func (m *meter) take() (wait time.Duration) {
	if m.N == 0 {
		return 0
	}
	burst := m.Burst
	if burst == 0 {
		burst = m.N
	}
	each := int64(m.Per) / int64(m.N)
	for {
		now, full := int64(time.Since(m.epoch)), m.full.Load()
		next := max(now, full) + each
		if wait := next - now - int64(burst)*each; wait > 0 {
			return time.Duration(wait)
		}
		if m.full.CompareAndSwap(full, next) {
			return 0
		}
	}
}
