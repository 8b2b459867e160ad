package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/store/keyring"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a login depends on, and say what to do",
		Long: `Check everything that a login depends on: the store, the login itself, the
network, the ports of a sign-in, the official Codex CLI's files, this machine. One
line tells of each check; below a problem stands what to do.

Nothing is changed, spent, refreshed or deleted, nobody is asked, and no secret
is shown. The issuer and the backend are each sent one request without a token.

The exit code is 0 if there is no problem, warnings or not, and otherwise 1; 2 if
the command line can't be meant. With --json: {"checks":[{"name","state","detail",
"remedy"}],"state"}, where state is ok, warning, problem or, of a check, skipped.`,
		Example: `  codexauth doctor
  codexauth --profile work doctor
  codexauth doctor --json | jq -r '.checks[] | select(.state == "problem") | .name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd) },
	}
}

// The states of a check, from good to bad.
const (
	stateSkipped = "skipped" // it does not apply, or another check says why it can't be made
	stateOK      = "ok"
	stateWarning = "warning" // it works, and something should be mended
	stateProblem = "problem" // something does not work, or will not
)

// A finding is what a check has found.
type finding struct {
	state  string
	detail string // what is
	remedy string // what to do; empty if nothing
}

func okay(format string, args ...any) finding {
	return finding{state: stateOK, detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) finding {
	return finding{state: stateSkipped, detail: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) finding {
	return finding{stateWarning, fmt.Sprintf(format, args...), remedy}
}

func problem(remedy, format string, args ...any) finding {
	return finding{stateProblem, fmt.Sprintf(format, args...), remedy}
}

// A check looks at one thing. Its name never changes: programs go by it.
type check struct {
	name string
	run  func(ctx context.Context) finding
}

// checkPatience bounds each check. All run at once, so it bounds them together.
const checkPatience = 6 * time.Second

// doctor is one examination.
type doctor struct {
	*app
	given    given
	place    *place // store is nil if it could not be opened
	provider codexauth.Provider
	openErr  error              // why the store could not be opened
	caErr    error              // why --ca-file can't be used
	manager  *codexauth.Manager // nil without a store
	patience time.Duration
	// What several checks go by, found out once.
	status  func() (codexauth.Status, error)
	issuer  func() answer
	backend func() answer
}

func (a *app) doctor(cmd *cobra.Command) error {
	a.asksNobody = true
	d, err := a.newDoctor(cmd, checkPatience)
	if err != nil {
		return err
	}
	stop := a.after(time.Second, "looking, for some seconds…")
	checks := d.checks()
	findings := examine(cmd.Context(), d.patience, checks)
	stop()
	if err := a.tellFindings(checks, findings); err != nil {
		return err
	}
	if worst(findings) == stateProblem {
		return exitStatus(exitFailed)
	}
	return nil
}

// newDoctor opens what there is to open. An error is a command line that can't
// be meant; what can't be opened is for the checks to say.
func (a *app) newDoctor(cmd *cobra.Command, patience time.Duration) (*doctor, error) {
	given, err := a.given(cmd)
	if err != nil {
		return nil, err
	}
	d := &doctor{app: a, given: given, place: given.newPlace(), patience: patience}
	if d.provider, err = d.place.provider.Complete(); err != nil {
		return nil, err
	}
	if d.place.sealer, err = a.sealer(given.identity); err != nil {
		return nil, err
	}
	d.caErr = d.place.trust(given.caFile)
	if err := d.open(cmd.Context()); err != nil {
		return nil, err
	}
	d.status = sync.OnceValues(func() (codexauth.Status, error) {
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		return d.manager.Status(ctx)
	})
	d.issuer = once(cmd.Context(), patience, d.askIssuer)
	d.backend = once(cmd.Context(), patience, d.askBackend)
	return d, nil
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
func (d *doctor) open(ctx context.Context) error {
	opened := *d.place
	opened.asking = keyring.Options{Timeout: d.patience / 2, Prompt: -1, Stop: ctx.Done()} // it asks nobody
	d.openErr = within(ctx, d.patience, func() error { return opened.openStore(d.given.store) })
	var usage *usageError
	if errors.As(d.openErr, &usage) || d.openErr != nil && ctx.Err() != nil {
		return d.openErr
	}
	if d.openErr != nil {
		return nil
	}
	d.place = &opened
	d.app.opened = append(d.app.opened, d.place)
	c := d.config(d.place)
	c.Lazy, c.Delegate = true, nil // and nothing here asks it for a token
	var err error
	d.manager, err = codexauth.NewManager(c)
	return err
}

// errSlow: something did not come to an end in time.
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
func (d *doctor) checks() []check {
	var all []check
	for _, group := range [][]check{d.storeChecks(), d.loginChecks(), d.networkChecks(), d.codexChecks(), d.machineChecks()} {
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

// worst is the state of the whole.
func worst(findings []finding) string {
	state := stateOK
	for _, f := range findings {
		switch {
		case f.state == stateProblem:
			return stateProblem
		case f.state == stateWarning:
			state = stateWarning
		}
	}
	return state
}

// failure is the problem that an error is, with what to do about it.
func (d *doctor) failure(ctx context.Context, err error) finding {
	v := d.judge(ctx, err)
	var hinted *hintedError
	if errors.As(err, &hinted) {
		v.hint = hinted.hint
	}
	return problem(v.hint, "%v", err)
}

type checkBody struct {
	Name   string  `json:"name"`
	State  string  `json:"state"`
	Detail string  `json:"detail"`
	Remedy *string `json:"remedy"`
}

func (a *app) tellFindings(checks []check, findings []finding) error {
	bodies := []checkBody{}
	counts := map[string]int{}
	for i, f := range findings {
		counts[f.state]++
		bodies = append(bodies, checkBody{checks[i].name, f.state, safe(f.detail), known(safe(f.remedy))})
	}
	if a.flags.json {
		return a.printJSON(struct {
			Checks []checkBody `json:"checks"`
			State  string      `json:"state"`
		}{bodies, worst(findings)})
	}
	if err := a.print(a.findingLines(bodies)); err != nil {
		return err
	}
	a.say("%s, %s.", count(counts[stateProblem], "problem"), count(counts[stateWarning], "warning"))
	return nil
}

func (a *app) findingLines(bodies []checkBody) string {
	st := a.styleOf(a.stdout)
	paint := map[string]func(string) string{
		stateOK: st.green, stateWarning: st.bold, stateProblem: st.red, stateSkipped: st.dim,
	}
	width := 0
	for _, b := range bodies {
		width = max(width, len(b.Name))
	}
	var text strings.Builder
	for _, b := range bodies {
		fmt.Fprintf(&text, "%s  %-*s  %s\n", paint[b.State](fmt.Sprintf("%-7s", b.State)), width, b.Name, b.Detail)
		if b.Remedy != nil {
			fmt.Fprintf(&text, "%*s  -> %s\n", len("warning")+2+width, "", *b.Remedy)
		}
	}
	return text.String()
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// userinfo is a name and a password in a URL, also in one that can't be parsed.
// It is compiled on demand: only the doctor has a use for it.
var userinfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`://[^/\s"'<>]*@`) })

// safe makes a text fit for a terminal, a log and a bug report: one line, and no
// password of a URL, whoever wrote it into an error.
func safe(text string) string {
	return userinfo().ReplaceAllString(oneLine(text), "://")
}

// transport is what requests of the doctor go through: what the issuer's and the
// backend's go through otherwise.
func (d *doctor) transport() http.RoundTripper {
	if d.place.http != nil {
		return d.place.http.Transport
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return t
}
