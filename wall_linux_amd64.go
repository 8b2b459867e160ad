package codexauth

import (
	"syscall"
	"time"
)

// wallNow is the wall clock in Unix nanoseconds, at half the price of time.Now,
// which reads the monotonic clock as well. That one stops while a machine sleeps
// and would take an expired token for a valid one.
func wallNow() int64 {
	var tv syscall.Timeval
	if syscall.Gettimeofday(&tv) != nil {
		return time.Now().UnixNano()
	}
	return tv.Sec*int64(time.Second) + tv.Usec*int64(time.Microsecond)
}
