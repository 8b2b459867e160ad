package run

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Stopped is the cause of a context that a signal has ended.
type Stopped struct{ Signal os.Signal }

func (s Stopped) Error() string { return "stopped by a signal (" + s.Signal.String() + ")" }

// noticed is less than a person needs to press Ctrl-C because of something.
const noticed = 50 * time.Millisecond

// UntilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
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
func UntilSignal(parent context.Context, end func(ctx context.Context, why error)) (ctx context.Context, heed func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var mu sync.Mutex
	begun := false
	early := time.AfterFunc(noticed, func() {
		if signal.Ignored(os.Interrupt) {
			return
		}
		received := make(chan os.Signal, 1)
		signal.Notify(received, os.Interrupt)
		why := Stopped{<-received}
		mu.Lock()
		defer mu.Unlock()
		if !begun {
			cancel(why)
			end(ctx, why)
		}
	})
	return ctx, sync.OnceFunc(func() {
		mu.Lock()
		begun = true
		mu.Unlock()
		early.Stop()
		// With a receiver for SIGPIPE a write to a pipe that nobody reads fails,
		// where it would have killed the process and a refresh on its way.
		signals := append(Heeded(os.Interrupt, syscall.SIGHUP), syscall.SIGTERM, syscall.SIGPIPE)
		received := make(chan os.Signal, 1)
		signal.Notify(received, signals...)
		go func() { // until the process ends
			for s := range received {
				if s != syscall.SIGPIPE {
					cancel(Stopped{s})
				}
			}
		}()
	})
}

// Heeded are those of signals that whoever started this process has not had it
// ignore: nohup(1) does so with SIGHUP, and a script with the SIGINT of what it
// runs in the background, which a Ctrl-C for the script must not end. It can be
// told only until a signal has a receiver.
func Heeded(signals ...os.Signal) []os.Signal {
	return slices.DeleteFunc(signals, signal.Ignored)
}
