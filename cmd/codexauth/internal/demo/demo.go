// Package demo tells the story of one login against a sandbox of its own.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/hint"
	"codexauth/sandbox"
	"codexauth/store/file"
)

// demo is one run of the story.
type demo struct {
	term   *ui.Terminal
	server *sandbox.Server
	store  *file.Store
	login  *codexauth.Manager
	told   codexauth.Provider
	style  ui.Style
	// signedOut is the exit code of a `codexauth token` without a login.
	signedOut int
}

// tally is what the server counted.
type tally struct {
	requests  int // at the token endpoint
	refreshes int // refresh tokens accepted
	reuses    int // spent ones presented again
	backend   int // requests to the backend
	refused   int // of these, answered with 401
}

func (t tally) minus(u tally) tally {
	return tally{t.requests - u.requests, t.refreshes - u.refreshes, t.reuses - u.reuses, t.backend - u.backend, t.refused - u.refused}
}

func (t tally) String() string {
	return fmt.Sprintf("%8d %9d %6d %7d %5d", t.requests, t.refreshes, t.reuses, t.backend, t.refused)
}

// A demoStep does something and reports the result. want is what the server
// must have counted meanwhile.
type demoStep struct {
	title string
	run   func(context.Context) (detail string, err error)
	want  tally
}

// demoTime bounds a demo in which something hangs.
const demoTime = time.Minute

// Run tells the story. signedOut is the exit code of a `codexauth token` that
// finds nobody signed in.
func Run(ctx context.Context, term *ui.Terminal, log *slog.Logger, signedOut int) error {
	ctx, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "codexauth-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := file.Open(dir)
	if err != nil {
		return err
	}
	server, err := sandbox.Start(sandbox.Config{Log: log})
	if err != nil {
		return err
	}
	defer server.Close()
	provider := codexauth.Provider{Issuer: server.URL()}
	login, err := codexauth.NewManager(codexauth.Config{Store: store, Provider: provider, Log: log, Lazy: true})
	if err != nil {
		return err
	}
	defer login.Close()
	d := &demo{term: term, signedOut: signedOut, server: server, store: store, login: login, told: provider, style: term.StyleOf(term.Stdout)}
	return d.tell(ctx, d.steps())
}

const demoTitles = `codexauth keeps one login alive for everybody who shares it. All of this happens
on this machine, with a server of its own that counts:

`

// tell runs the steps one after the other, and stops at the first that fails.
func (d *demo) tell(ctx context.Context, steps []demoStep) error {
	begun := time.Now()
	head := fmt.Sprintf("%-41s%8s %9s %6s %7s %5s", "", "token", "accepted", "tokens", "backend", "401s")
	head2 := fmt.Sprintf("%-41s%8s %9s %6s %7s %5s", "", "requests", "refreshes", "reused", "calls", "there")
	if err := d.term.Print(demoTitles + d.style.Dim(head) + "\n" + d.style.Dim(head2) + "\n"); err != nil {
		return err
	}
	for i, step := range steps {
		before := d.seen()
		detail, err := step.run(ctx)
		got := d.seen().minus(before)
		if err == nil && got != step.want {
			err = fmt.Errorf("the server counted %+v and should have counted %+v", got, step.want)
		}
		if printed := d.row(i+1, step.title, detail, got, err == nil); printed != nil {
			return printed
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return hint.With(fmt.Errorf("step %d, %s: %w", i+1, step.title, err), "run it again with -v to see more; if it fails again, that is a bug in codexauth")
		}
	}
	return d.term.Print(fmt.Sprintf("\n%s in %.1f seconds, and all of it was removed again.\nWith the real service: %s\n",
		d.style.Bold("Every step passed,"), time.Since(begun).Seconds(), d.style.Bold("codexauth login && codexauth token")))
}

// row prints one step: what happened, what the server counted, and below it what
// there is to know.
func (d *demo) row(n int, title, detail string, counted tally, ok bool) error {
	mark := d.style.Green("✓")
	if !ok {
		mark = d.style.Red("✗")
	}
	text := fmt.Sprintf("\n%s %d  %-36s%s\n", mark, n, title, counted)
	if detail != "" {
		text += "     " + d.style.Dim(strings.ReplaceAll(detail, "\n", "\n     ")) + "\n"
	}
	return d.term.Print(text)
}

// seen is what the server has counted so far.
func (d *demo) seen() tally {
	c := d.server.Counters()
	return tally{c.TokenRequests, c.Refreshes, c.Reuses, c.BackendRequests, c.BackendUnauthorized}
}
