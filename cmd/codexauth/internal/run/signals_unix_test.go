//go:build unix

package run

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// interruptUntil presses Ctrl-C until done, in a process that survives it.
func interruptUntil(t *testing.T, done <-chan struct{}) {
	t.Helper()
	survive := make(chan os.Signal, 1)
	signal.Notify(survive, os.Interrupt)
	defer signal.Stop(survive)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("nobody heeds it")
}

// Ctrl-C has one exit code: where a command would have to return first, it ends its
// context, and elsewhere the process, as if that had happened.
func TestInterruptEndsAlike(t *testing.T) {
	ended := make(chan struct{})
	var why error
	_, _ = UntilSignal(t.Context(), func(ctx context.Context, err error) {
		if why = err; !errors.Is(context.Cause(ctx), err) {
			t.Errorf("the cause of the context is %v", context.Cause(ctx))
		}
		close(ended)
	})
	interruptUntil(t, ended)
	var s Stopped
	if !errors.As(why, &s) || s.Signal != os.Interrupt {
		t.Errorf("it ends because of %v", why)
	}

	ctx, heed := UntilSignal(t.Context(), func(context.Context, error) { t.Error("it ends a command at work") })
	heed()
	interruptUntil(t, ctx.Done())
}
