package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// stopped is the cause of a context that a signal has ended.
type stopped struct{ signal os.Signal }

func (s stopped) Error() string { return "stopped by a signal (" + s.signal.String() + ")" }

// noticed is less than a person needs to press Ctrl-C because of something.
const noticed = 50 * time.Millisecond

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
// once heed has been called. Signals then no longer kill the process: a command
// returns when it is safe to.
//
// Until heed is called nothing is at stake, and the system's way of ending a
// process is the quickest. It is not free: it would be a tenth of what printing
// a stored token costs.
//
// A person who presses Ctrl-C all the same gets the exit code that it always has:
// once a command has run for as long as people need to notice it, end is called,
// unless heed was, and does not return.
func untilSignal(parent context.Context, end func(ctx context.Context, why error)) (ctx context.Context, heed func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var mu sync.Mutex
	heeded := false
	early := time.AfterFunc(noticed, func() {
		if signal.Ignored(os.Interrupt) { // as in the background of a script
			return
		}
		received := make(chan os.Signal, 1)
		signal.Notify(received, os.Interrupt)
		why := stopped{<-received}
		mu.Lock()
		defer mu.Unlock()
		if !heeded {
			cancel(why)
			end(ctx, why)
		}
	})
	return ctx, sync.OnceFunc(func() {
		mu.Lock()
		heeded = true
		mu.Unlock()
		early.Stop()
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
