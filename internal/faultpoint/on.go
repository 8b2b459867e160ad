//go:build faultpoints

package faultpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var seen struct {
	sync.Mutex
	count [points]int
}

// At acts if CODEXAUTH_FAULTPOINT is "NAME=kill", "NAME=stop" or "NAME=hold",
// with ":N" behind it for the Nth time only. Every point that is passed is
// written to the file that CODEXAUTH_FAULTPOINT_LOG names, with pid and Unix time. Hold waits until the
// process is killed.
func At(p Point) {
	if path := os.Getenv("CODEXAUTH_FAULTPOINT_LOG"); path != "" {
		if f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			fmt.Fprintf(f, "%s %d %d\n", p, os.Getpid(), time.Now().UnixNano())
			f.Close()
		}
	}
	name, action, _ := strings.Cut(os.Getenv("CODEXAUTH_FAULTPOINT"), "=")
	if name != p.String() {
		return
	}
	action, nth, counted := strings.Cut(action, ":")
	seen.Lock()
	seen.count[p]++
	n := seen.count[p]
	seen.Unlock()
	if want, err := strconv.Atoi(nth); counted && (err != nil || n != want) {
		return
	}
	switch action {
	case "kill":
		kill()
		select {}
	case "stop":
		stop()
	case "hold":
		select {}
	}
}
