// Package program runs programs for tests, rigs and measurements: to their end,
// in the background, or as servers that print where they are.
package program

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Text is what a program has written so far.
type Text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends to the text.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// Running is a program in the background.
type Running struct {
	*exec.Cmd
	Out, Errs Text // so far
	began     time.Time
	ended     chan struct{} // closed when it has ended
	last      Result        // how, then
}

// Result is how a program ended.
type Result struct {
	Code      int // -1: by a signal
	Out, Errs string
	Wall      time.Duration
	Hung      bool // it did not end within its limit, and was killed
	Lingering bool // something that it started kept its output open for longer than WaitDelay
}

// Start starts cmd and collects what it writes. It is killed if it has not ended
// after limit.
func Start(cmd *exec.Cmd, limit time.Duration) (*Running, error) {
	r := &Running{Cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &r.Out, &r.Errs
	r.began = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go r.await(limit)
	return r, nil
}

func (r *Running) await(limit time.Duration) {
	defer close(r.ended)
	timer := time.AfterFunc(limit, func() { r.Process.Kill() })
	err := r.Wait()
	hung := !timer.Stop()
	r.last = Result{
		Code: -1, Out: r.Out.String(), Errs: r.Errs.String(), Wall: time.Since(r.began),
		Hung: hung, Lingering: errors.Is(err, exec.ErrWaitDelay),
	}
	if r.ProcessState != nil {
		r.last.Code = r.ProcessState.ExitCode()
	} else if err != nil {
		r.last.Errs += err.Error()
	}
}

// End waits for the end of the program.
func (r *Running) End() Result {
	<-r.ended
	return r.last
}

// Runs reports whether the program has not ended yet.
func (r *Running) Runs() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

func (r Result) String() string {
	return fmt.Sprintf("exit %d after %v: %s", r.Code, r.Wall.Round(time.Millisecond), strings.TrimSpace(r.Errs))
}

// Want checks an exit code and what the message says.
func (r Result) Want(code int, says ...string) error {
	if r.Code != code {
		return fmt.Errorf("want exit %d, got %v", code, r)
	}
	for _, s := range says {
		if !strings.Contains(r.Errs, s) {
			return fmt.Errorf("the message does not say %q: %v", s, r)
		}
	}
	return nil
}
