//go:build faultpoints

package faultpoint

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

func kill() { windows.TerminateProcess(windows.CurrentProcess(), 1) }

// stop waits until the log of passages has another name: no documented call has a
// process stand still.
func stop() {
	for {
		if _, err := os.Stat(os.Getenv("CODEXAUTH_FAULTPOINT_LOG")); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
