package codexauth

import (
	"syscall"
	"time"
)

// sinceBoot is GetTickCount64, which runs on while the machine is suspended and which
// nobody can set. It moves in steps of some 15 ms, far less than anything is measured.
func sinceBoot() time.Duration {
	ms, _, _ := tickCount.Call()
	return time.Duration(ms) * time.Millisecond
}

var tickCount = syscall.NewLazyDLL("kernel32.dll").NewProc("GetTickCount64") // which every process has loaded
