package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A running program of the trial.
type running struct {
	*exec.Cmd
	out, errs text
	began     time.Time
	ended     chan struct{} // closed when it has ended
	last      result        // how, then
}

// text is what a program has written so far.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// result is how a program ended.
type result struct {
	code      int // -1: by a signal
	out, errs string
	wall      time.Duration
}

// start starts a built program with the trial's environment and env.
func (t *trial) start(name string, env []string, args ...string) (*running, error) {
	return t.startPath(t.b.program(name), env, args...)
}

func (t *trial) startPath(path string, env []string, args ...string) (*running, error) {
	if len(t.within) > 0 {
		path, args = t.within[0], append(append(slices.Clone(t.within[1:]), path), args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	r := &running{Cmd: exec.CommandContext(ctx, path, args...), ended: make(chan struct{})}
	r.Env = append([]string{
		"CODEXAUTH_HOME=" + t.home, "CODEXAUTH_ISSUER=" + t.issuer, "HOME=" + t.dir,
		"LocalAppData=" + t.dir, "TMPDIR=" + filepath.Join(t.dir, "tmp"), "PATH=" + os.Getenv("PATH"),
	}, t.env...)
	r.Env = append(r.Env, env...)
	r.Stdout, r.Stderr = &r.out, &r.errs
	r.WaitDelay = time.Second
	ownGroup(r.Cmd)
	r.began = time.Now()
	if err := r.Start(); err != nil {
		cancel()
		return nil, err
	}
	go r.await(cancel)
	return r, nil
}

// wait waits for the end of the program.
func (r *running) wait() result {
	<-r.ended
	return r.last
}

func (r *running) await(cancel func()) {
	defer cancel()
	defer close(r.ended)
	err := r.Wait()
	r.last = result{code: -1, out: r.out.String(), errs: r.errs.String(), wall: time.Since(r.began)}
	if r.ProcessState != nil {
		r.last.code = r.ProcessState.ExitCode()
	} else if err != nil {
		r.last.errs += err.Error()
	}
}

// run runs codexauth to its end.
func (t *trial) run(args ...string) result { return t.runProgram("codexauth", nil, args...) }

func (t *trial) runProgram(name string, env []string, args ...string) result {
	r, err := t.start(name, env, args...)
	if err != nil {
		return result{code: -1, errs: err.Error()}
	}
	return r.wait()
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %v: %s", r.code, r.wall.Round(time.Millisecond), strings.TrimSpace(r.errs))
}

// want checks an exit code and what the message says.
func (r result) want(code int, says ...string) error {
	if r.code != code {
		return fmt.Errorf("want exit %d, got %v", code, r)
	}
	for _, s := range says {
		if !strings.Contains(r.errs, s) {
			return fmt.Errorf("the message does not say %q: %v", s, r)
		}
	}
	return nil
}

// until waits until a condition holds.
func until(what string, holds func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("waited a minute for %s", what)
}

// runs reports whether the program has not ended yet.
func (r *running) runs() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// longest is how long a program may run before it is killed: much more than the
// two minutes that an expired token waits for others.
const longest = 9 * time.Minute
