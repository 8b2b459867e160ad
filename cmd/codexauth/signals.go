package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// stopped is the cause of a context that a signal has ended.
type stopped struct{ signal os.Signal }

func (s stopped) Error() string { return "stopped by a signal (" + s.signal.String() + ")" }

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
// once heed has been called. Signals then no longer kill the process: a command
// returns when it is safe to.
//
// Until heed is called nothing is at stake, and the system's way of ending a
// process is the quickest. It is not free: it would be a tenth of what printing
// a stored token costs.
func untilSignal(parent context.Context) (ctx context.Context, heed func()) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, sync.OnceFunc(func() {
		// With a receiver for SIGPIPE a write to a pipe that nobody reads fails,
		// where it would have killed the process and a refresh on its way.
		signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE}
		if !signal.Ignored(syscall.SIGHUP) { // as under nohup(1)
			signals = append(signals, syscall.SIGHUP)
		}
		received := make(chan os.Signal, 1)
		signal.Notify(received, signals...)
		go func() { // until the process ends
			for s := range received {
				if s != syscall.SIGPIPE {
					cancel(stopped{s})
				}
			}
		}()
	})
}
