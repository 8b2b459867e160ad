package rotator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"codexauth"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
)

// The parent's side of a rotation in a process of its own.

const (
	// Patience is how long an expired token waits for another process.
	Patience = 2 * time.Minute
	// childLife is longer than a child that runs can take: the wait for the
	// claim, the longest request and the longest save.
	childLife = 4 * time.Minute
	// silence is how long a child may take to say that it has begun.
	silence = 15 * time.Second
	// lastWait is how long a process waits for a child that would die with it. The
	// usual patience of what stops containers is ten seconds.
	lastWait = 8 * time.Second
	// overtakeAfter is when one of those who wait for a child sends one of its own:
	// whoever was about to start the first may have been stopped. It costs a child
	// that waits for the store's claim, which alone decides who asks the server.
	overtakeAfter = 15 * time.Second
	maxTurns      = 3
)

// A Parent has the rotations of a place done by children.
type Parent struct {
	Place   *place.Place
	Verbose bool     // children log to stderr
	Stderr  *os.File // of this process
	// Begin is called before a rotation begins.
	Begin func()
	// OvertakeAfter is for tests; 0 means the usual time.
	OvertakeAfter time.Duration
	// Claimed, if not nil, is told how long the claims of a child took.
	Claimed func(took time.Duration)
}

// Rotate is a Manager's Delegate: one child on this machine at a time, however many
// processes ask.
func (p *Parent) Rotate(ctx context.Context, job []byte, atOnce bool) error {
	p.Begin()
	deadline := time.Now().Add(Patience)
	for turn := 1; ; turn++ {
		lock := p.Place.LockFile("rotating" + turnName(turn))
		relay, err := lockfile.TryRelay(lock)
		var busy *lockfile.BusyError
		switch {
		case !errors.As(err, &busy): // without a place for a lock there may be several children
			return p.send(ctx, job, lock, relay)
		case atOnce:
			return fmt.Errorf("%w: %w", codexauth.ErrBusy, err)
		}
		until := deadline
		if turn < maxTurns {
			until = time.Now().Add(cmp.Or(p.OvertakeAfter, overtakeAfter))
		}
		err = p.awaitOther(ctx, lock, until)
		if turn == maxTurns || !errors.Is(err, codexauth.ErrBusy) {
			return err
		}
	}
}

func turnName(turn int) string {
	if turn == 1 {
		return ""
	}
	return strconv.Itoa(turn)
}

// awaitOther waits until the process that runs a child is done with it. Then the
// caller looks at the store again.
func (p *Parent) awaitOther(ctx context.Context, lock string, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	p.debug("waiting for a refresh that another process has begun", "by", lockfile.ReadHolder(lock), "until", until.Format(time.RFC3339))
	began := time.Now()
	err := lockfile.Wait(ctx, lock)
	p.debug("waited", "took", time.Since(began).Round(time.Microsecond))
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		return &codexauth.RetryError{Err: fmt.Errorf("%w: %w", codexauth.ErrBusy, err)}
	}
	return err
}

// debug tells what happens, to whoever asked for that.
func (p *Parent) debug(message string, about ...any) {
	if p.Place.Log != nil {
		p.Place.Log.Debug(message, about...)
	}
}

// send sends a child on its errand. relay, which may be nil, is the lock that it
// takes over.
func (p *Parent) send(ctx context.Context, job []byte, lock string, relay *lockfile.Relay) error {
	if relay != nil {
		defer relay.Unlock()
	}
	e := errand{
		Store: p.Place.Address, Profile: p.Place.Profile, Issuer: p.Place.Provider.Issuer, ClientID: p.Place.Provider.ClientID,
		CAFile: p.Place.CAFile, Verbose: p.Verbose, Request: job, Hello: true,
	}
	if p.Place.Sealer != nil {
		// Passphrases and PINs are asked for here, where the person is.
		identity, err := p.Place.Sealer.Handover()
		if err != nil {
			return err
		}
		e.Identity = string(identity)
	}
	if relay != nil && relay.File() != nil {
		e.Lock = lock
	}
	c, err := p.start(e, relay)
	if err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	p.debug("a process of its own refreshes", "pid", c.pid)
	began := time.Now()
	err = c.await(ctx)
	p.debug("waited", "pid", c.pid, "took", time.Since(began).Round(time.Microsecond))
	return err
}

// A child is one that was started.
type child struct {
	pid    int
	began  chan struct{} // closed when it says that it has begun
	answer chan error    // what came of it
	claims []int64       // how long its claims took, in microseconds; written before answer
}

func (p *Parent) start(e errand, relay *lockfile.Relay) (c *child, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	task, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	for _, way := range Detached() {
		if c, err = p.startAs(way, self, task, e, relay); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (p *Parent) startAs(way *syscall.SysProcAttr, self string, task []byte, e errand, relay *lockfile.Relay) (*child, error) {
	cmd := detached(way, self, Command)
	if e.Verbose {
		cmd.Stderr = p.Stderr
	}
	if e.Lock != "" {
		cmd.ExtraFiles = []*os.File{relay.File()} // lockFD
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if e.Lock != "" {
		relay.Passed()
	}
	c := &child{pid: cmd.Process.Pid, began: make(chan struct{}), answer: make(chan error, 1)}
	go func() {
		in.Write(task) // if it fails, so does reading the answer
		in.Close()
		err := c.read(out)
		for _, took := range c.claims {
			if p.Claimed != nil {
				p.Claimed(time.Duration(took) * time.Microsecond)
			}
		}
		c.answer <- err
		cmd.Wait()
	}()
	return c, nil
}

// read reads what a child says. One that ends before it has begun is no codexauth,
// or none that can run (half a file, a script in its place): its work is done here
// instead. One that has begun may have spent the token.
func (c *child) read(r io.Reader) error {
	dec := json.NewDecoder(r)
	for began := false; ; {
		var o outcome
		switch err := dec.Decode(&o); {
		case err != nil && !began:
			return fmt.Errorf("%w: the process that was to refresh in the background exited without reporting a result", errors.ErrUnsupported)
		case err != nil:
			return &codexauth.RetryError{Err: fmt.Errorf("%w: process %d, which refreshed in the background, was killed before it could report the result", codexauth.ErrUnknownOutcome, c.pid)}
		case o.Began && !began:
			began = true
			close(c.began)
		case o.Message != "":
			c.claims = o.Claimed
			return &childError{o}
		default:
			c.claims = o.Claimed
			return nil
		}
	}
}

// await waits for the child's outcome, or for the end of ctx.
func (c *child) await(ctx context.Context) error {
	began, silent := c.began, time.After(silence)
	long := time.After(childLife)
	for {
		select {
		case err := <-c.answer:
			return err
		case <-began:
			began, silent = nil, nil
		case <-silent: // it may yet begin; the store's claim keeps us apart
			return fmt.Errorf("%w: process %d, which was to refresh in the background, does not respond", errors.ErrUnsupported, c.pid)
		case <-long:
			return &codexauth.RetryError{Err: fmt.Errorf("%w: process %d, which refreshes in the background, has not finished (is it suspended?)", codexauth.ErrBusy, c.pid)}
		case <-ctx.Done():
			if !endsWithUs() {
				return context.Cause(ctx)
			}
			select {
			case err := <-c.answer:
				return err
			case <-time.After(lastWait):
				return context.Cause(ctx)
			}
		}
	}
}
