package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"codexauth"
	"codexauth/internal/lockfile"
	"codexauth/seal"
)

// A rotation runs in a process of its own, in a session of its own: whatever
// happens to the process that the person or a tool started (a closed terminal,
// an impatient Ctrl-C, a time-out that ends in SIGKILL, for it or its process
// group), the child finishes, saves, and the next `token` finds the new token.
// The errand goes to it by pipe, not by argument, and its outcome comes back by
// pipe; if nobody reads that any more, nothing is lost.

// childCommand is the hidden first argument that makes a process such a child.
const childCommand = "__rotate"

const (
	maxErrand = 64 << 10 // what a child reads at most
	// patience is how long an expired token waits for another process.
	patience = 2 * time.Minute
	// childLife is longer than a child that runs can take: the wait for the
	// claim, the longest request and the longest save.
	childLife = 4 * time.Minute
)

// errand is what a child is to do.
type errand struct {
	Store    string            `json:"store"` // its address, which may hold a password
	Profile  string            `json:"profile"`
	Issuer   string            `json:"issuer"`
	ClientID string            `json:"client_id"`
	CAFile   string            `json:"ca_file,omitempty"`
	Identity string            `json:"identity,omitempty"` // the unsealed key: why an errand goes by pipe
	Verbose  bool              `json:"verbose"`
	Request  codexauth.Request `json:"request"`
}

// outcome is a child's error, in words and kinds; all empty for success.
type outcome struct {
	Message string    `json:"message,omitempty"`
	Kinds   []string  `json:"kinds,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// kinds are the errors that keep their meaning between child and parent.
var kinds = []struct {
	name string
	err  error
}{
	{"signed_out", codexauth.ErrSignedOut}, {"refused", codexauth.ErrRefused}, {"transient", codexauth.ErrTransient},
	{"unknown", codexauth.ErrUnknownOutcome}, {"request", codexauth.ErrRequest}, {"busy", codexauth.ErrBusy},
	{"rate_limited", codexauth.ErrRateLimited}, {"other_login", codexauth.ErrOtherLogin}, {"issuer", codexauth.ErrIssuer},
	{"damaged", codexauth.ErrDamaged}, {"newer", codexauth.ErrNewerVersion}, {"unsafe", codexauth.ErrStoreUnsafe},
	{"not_saved", codexauth.ErrNotSaved}, {"lost", codexauth.ErrLost}, {"sealed", codexauth.ErrSealed}, {"wrong_key", codexauth.ErrWrongKey},
}

// childError is a child's error on the parent's side.
type childError struct{ outcome }

func (e *childError) Error() string { return e.Message }

// Is matches what the child's error matched.
func (e *childError) Is(target error) bool {
	for _, kind := range kinds {
		if kind.err == target {
			return slices.Contains(e.Kinds, kind.name)
		}
	}
	return false
}

// As gives a failure that passes its time.
func (e *childError) As(target any) bool {
	retry, ok := target.(**codexauth.RetryError)
	if !ok || !e.Is(codexauth.ErrTransient) {
		return false
	}
	*retry = &codexauth.RetryError{At: e.At, Err: e}
	return true
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{}
	}
	o := outcome{Message: err.Error()}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			o.Kinds = append(o.Kinds, kind.name)
		}
	}
	var retry *codexauth.RetryError
	if errors.As(err, &retry) {
		o.At = retry.At
	}
	return o
}

// delegate returns the Manager's Delegate for a place: one child on this machine
// at a time, however many processes ask.
func (a *app) delegate(p *place) func(context.Context, codexauth.Request) error {
	return func(ctx context.Context, r codexauth.Request) error {
		a.heedSignals()
		lock := p.lockFile("rotating")
		unlock, err := lockfile.TryLock(lock)
		var busy *lockfile.BusyError
		switch {
		case errors.As(err, &busy) && r.AtOnce:
			return fmt.Errorf("%w: %w", codexauth.ErrBusy, err)
		case errors.As(err, &busy):
			return awaitOther(ctx, lock)
		case err != nil: // no place for a lock: then there may be several children, and the store's claim is all
			unlock = func() error { return nil }
		}
		defer unlock()
		e := errand{
			Store: p.address, Profile: p.profile, Issuer: p.provider.Issuer, ClientID: p.provider.ClientID,
			CAFile: p.caFile, Verbose: a.flags.verbose, Request: r,
		}
		if p.sealer != nil {
			// Passphrases and PINs are asked for here, where the person is.
			identity, err := p.sealer.Handover()
			if err != nil {
				return err
			}
			e.Identity = string(identity)
		}
		return a.runChild(ctx, e)
	}
}

// awaitOther waits until the process that runs a child is done with it. Then the
// caller looks at the store again.
func awaitOther(ctx context.Context, lock string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := lockfile.Wait(ctx, lock)
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		return &codexauth.RetryError{Err: fmt.Errorf("%w: %w", codexauth.ErrBusy, err)}
	}
	return err
}

// runChild starts a child and waits for its outcome, or for the end of ctx.
func (a *app) runChild(ctx context.Context, e errand) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	task, err := json.Marshal(e)
	if err != nil {
		return err
	}
	child := exec.Command(self, childCommand)
	child.Dir = filepath.VolumeName(self) + string(filepath.Separator) // keeps no directory in use
	child.SysProcAttr = detached()
	if e.Verbose {
		child.Stderr = a.stderr
	}
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	answer := make(chan error, 1)
	go func() {
		in.Write(task) // if it fails, so does reading the answer
		in.Close()
		answer <- readOutcome(out)
		child.Wait()
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(childLife):
		return &codexauth.RetryError{Err: fmt.Errorf("%w: process %d, which refreshes in the background, does not come to an end (was it stopped?)", codexauth.ErrBusy, child.Process.Pid)}
	}
}

func readOutcome(r io.Reader) error {
	var o outcome
	if err := json.NewDecoder(r).Decode(&o); err != nil {
		return &codexauth.RetryError{Err: errors.New("the process that refreshes in the background ended without a word")}
	}
	if o.Message != "" {
		return &childError{o}
	}
	return nil
}

// rotateChild is the main program of a child. Signals that a terminal or an
// impatient person sends don't reach its work, which is bounded in time.
func rotateChild() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := rotateErrand(os.Stdin)
	// If the parent is gone nobody reads this: the store tells the next one.
	_ = json.NewEncoder(os.Stdout).Encode(outcomeOf(err))
	if err != nil {
		return exitFailed
	}
	return exitDone
}

func rotateErrand(r io.Reader) error {
	var e errand
	if err := json.NewDecoder(io.LimitReader(r, maxErrand)).Decode(&e); err != nil {
		return errors.New("no errand to run: this command is for codexauth's own use")
	}
	p := &place{profile: e.Profile}
	if err := p.openStore(e.Store); err != nil {
		return err
	}
	defer p.close()
	var log *slog.Logger
	if e.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := p.trust(e.CAFile); err != nil {
		return err
	}
	if e.Identity != "" {
		var err error
		if p.sealer, err = seal.Identities(strings.NewReader(e.Identity), "the key of the parent process", seal.UI{}); err != nil {
			return err
		}
	}
	m, err := codexauth.NewManager(codexauth.Config{
		Store: p.store, Key: e.Profile, Log: log, Sealer: p.sealing(), HTTPClient: p.http,
		Provider: codexauth.Provider{Issuer: e.Issuer, ClientID: e.ClientID},
	})
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Rotate(context.Background(), e.Request)
}
