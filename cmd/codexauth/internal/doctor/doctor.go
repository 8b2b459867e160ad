// Package doctor examines everything that a login depends on. Each check is bounded
// in time, changes nothing and asks nobody.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/httplog"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
)

// A check looks at one thing. Its name never changes: programs go by it.
type check struct {
	name string
	run  func(ctx context.Context) finding
}

// checkPatience bounds each check. All run at once, so it bounds them together.
const checkPatience = 6 * time.Second

// Questions are what an examination asks whoever wants it.
type Questions struct {
	Place    *place.Place       // what is to be looked at, with nothing opened yet
	Provider codexauth.Provider // the place's, complete
	Store    string             // the store's address, as it was given
	Settings *config.Settings   // where all of it comes from
	CAErr    error              // why the certificates to trust can't be used
	Ports    []int              // of a sign-in in the browser; nil means the registered ones
	Log      *slog.Logger

	// SettingsErr is why the config file can't be used; nil if it can.
	SettingsErr error
	// Opened is told about a place whose store was opened, to close it at the end.
	Opened func(*place.Place)
	// Remedy is what to do about an error.
	Remedy func(context.Context, error) string
	// Command is a command to type, with the arguments args.
	Command func(args string) string
}

// An Examination looks at everything once.
type Examination struct {
	Questions
	openErr  error              // why the store could not be opened
	manager  *codexauth.Manager // nil without a store
	patience time.Duration
	// What several checks go by, found out once.
	status  func() (codexauth.Status, error)
	issuer  func() answer
	backend func() answer
}

// New opens what there is to open. An error is a command line that can't
// be meant; what can't be opened is for the checks to say.
func New(ctx context.Context, q Questions) (*Examination, error) {
	d := &Examination{Questions: q, patience: checkPatience}
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	d.status = sync.OnceValues(func() (codexauth.Status, error) {
		ctx, cancel := context.WithTimeout(ctx, d.patience)
		defer cancel()
		return d.manager.Status(ctx)
	})
	d.issuer = once(ctx, d.patience, d.askIssuer)
	d.backend = once(ctx, d.patience, d.askBackend)
	return d, nil
}

// Examine makes all checks.
func (d *Examination) Examine(ctx context.Context) Report {
	checks := d.checks()
	return Report{checks, examine(ctx, d.patience, checks)}
}

// once asks when it is first called, and remembers the answer.
func once(ctx context.Context, patience time.Duration, ask func(context.Context) answer) func() answer {
	return sync.OnceValue(func() answer {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return ask(ctx)
	})
}

// open opens the store, in bounded time.
func (d *Examination) open(ctx context.Context) error {
	opened := *d.Place
	opened.Asking = place.Asking{Timeout: d.patience / 2, Prompt: -1, Stop: ctx.Done()} // it asks nobody
	d.openErr = within(ctx, d.patience, func() error { return opened.Open(d.Store, every.Kinds()) })
	var usage *hint.UsageError
	if errors.As(d.openErr, &usage) || d.openErr != nil && ctx.Err() != nil {
		return d.openErr
	}
	if d.openErr != nil {
		return nil
	}
	d.Place = &opened
	d.Opened(d.Place)
	c := d.Place.Config()
	c.Log, c.Lazy = d.Log, true // and nothing here asks it for a token
	var err error
	d.manager, err = codexauth.NewManager(c)
	return err
}

// errSlow: something did not finish in time.
var errSlow = errors.New("no answer")

// within runs f, which may not heed any context, for at most d. What then still
// runs is left behind: the process is about to end.
func within(ctx context.Context, d time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w within %v", errSlow, d)
	}
}

// checks are all checks, in the order in which they are told.
func (d *Examination) checks() []check {
	var all []check
	for _, group := range [][]check{d.settingsChecks(), d.storeChecks(), d.loginChecks(), d.networkChecks(), d.codexChecks(), d.machineChecks()} {
		all = append(all, group...)
	}
	return all
}

// examine runs all checks at once, each for at most d.
func examine(ctx context.Context, d time.Duration, checks []check) []finding {
	findings := make([]finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			// A check that heeds its context has the last word: it is waited for a
			// little longer.
			bounded, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			var found finding
			if err := within(ctx, d+max(d/4, time.Second), func() error { found = c.run(bounded); return nil }); err != nil {
				findings[i] = problem("look whether a network file system, a mounted volume or a server hangs", "%v", err)
				return // found is no longer ours to read
			}
			findings[i] = found
		})
	}
	wg.Wait()
	return findings
}

// failure is the problem that an error is, with what to do about it.
func (d *Examination) failure(ctx context.Context, err error) finding {
	return problem(d.Remedy(ctx, err), "%v", err)
}

// transport is what requests of the doctor go through: what the issuer's and the
// backend's go through otherwise.
func (d *Examination) transport() http.RoundTripper {
	if d.Place.HTTP != nil {
		return httplog.Transport(d.Place.HTTP.Transport, d.Log)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return httplog.Transport(t, d.Log)
}
