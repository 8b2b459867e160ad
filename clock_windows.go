package codexauth

import (
	"math/bits"
	"syscall"
	"time"
)

// sinceBoot is GetTickCount64, which runs on while the machine is suspended and which
// nobody can set. It moves in steps of some 15 ms, far less than anything is measured.
func sinceBoot() time.Duration {
	low, high, _ := tickCount.Call()
	ms := uint64(low)
	if bits.UintSize == 32 { // two registers
		ms |= uint64(high) << 32
	}
	return time.Duration(ms) * time.Millisecond
}

var tickCount = syscall.NewLazyDLL("kernel32.dll").NewProc("GetTickCount64") // which every process has loaded
