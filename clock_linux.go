package codexauth

import (
	"syscall"
	"time"
	"unsafe"
)

const clockBoottime = 7 // CLOCK_BOOTTIME, clock_gettime(2)

// sinceBoot is a clock that runs on while the machine is suspended, which Go's
// monotonic clock does not.
func sinceBoot() time.Duration {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return fallbackClock()
	}
	return time.Duration(ts.Nano())
}
