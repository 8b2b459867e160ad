package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"codexauth/broker/overview"
	"codexauth/internal/rig"
	"codexauth/sandbox"
)

const (
	monitors    = 32
	toldWithin  = 2 * time.Second // of when the first process learns of it
	toldOnce    = 3 * time.Second // after which nobody else tells, either
	lookedEvery = 100 * time.Millisecond
)

// refusal has 32 monitors and two brokers watch one login with one webhook, until the
// server refuses it, which a command learns of in one round and a broker in the other. All
// of them say so, in the log and the metrics, the brokers on their page; and one calls the
// webhook.
func refusal(b *run) ([]verdict, error) {
	t, err := b.newTrial(sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	calls := new(webhook)
	server := httptest.NewServer(calls)
	defer server.Close()
	w := &watching{t: t, calls: calls, hook: server.URL}
	defer w.end()
	if err := w.begin(); err != nil {
		return nil, err
	}
	var verdicts []verdict
	for _, round := range []struct {
		learns string
		learn  func() error
	}{
		{"a command", func() error { return t.Run("refresh").Want(4) }},
		{"a broker", func() error {
			t.Server.ExpireAccessTokens() // so that the backend refuses its token, and it refreshes
			return w.brokers[0].fails()
		}},
	} {
		v, err := w.round("learned of by "+round.learns, round.learn)
		if err != nil {
			return verdicts, fmt.Errorf("%s: %w", round.learns, err)
		}
		verdicts = append(verdicts, v...)
	}
	return verdicts, nil
}

// A watcher is a process that watches over the login.
type watcher struct {
	*running
	hc   *http.Client
	at   string // where its metrics are, and a broker's overview
	seen int    // refusals in its log, of earlier rounds
}

type watching struct {
	t        *trial
	calls    *webhook
	hook     string
	watchers []*watcher
	brokers  []*watcher // of them
}

// begin starts everybody, and waits until all are there.
func (w *watching) begin() error {
	for range monitors {
		m, err := w.t.Start("codexauth", nil, "monitor", "--listen", "127.0.0.1:0", "--log-format", "json", "--webhook", w.hook)
		if err != nil {
			return err
		}
		w.watchers = append(w.watchers, &watcher{running: m, hc: http.DefaultClient})
	}
	for _, name := range []string{"a", "b"} {
		socket := filepath.Join(w.t.Home, name+".sock")
		s, err := w.t.Start("codexauth", nil, "serve", "--socket", socket, "--log-format", "json", "--webhook", w.hook)
		if err != nil {
			return err
		}
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		broker := &watcher{running: s, hc: &http.Client{Transport: &http.Transport{DialContext: dial}}, at: "http://broker"}
		w.watchers, w.brokers = append(w.watchers, broker), append(w.brokers, broker)
	}
	address := regexp.MustCompile(`metrics at (http://[0-9.:]+)/metrics`)
	for _, one := range w.watchers {
		err := rig.Until("a watcher that is ready", func() bool {
			if said := address.FindStringSubmatch(one.Errs.String()); said != nil {
				one.at = said[1]
			}
			status, _ := one.get("/readyz")
			return one.at != "" && status == http.StatusOK || !one.Runs()
		})
		if err != nil || !one.Runs() {
			return errors.Join(err, fmt.Errorf("it says %s", one.Errs.String()))
		}
	}
	return nil
}

func (w *watching) end() {
	for _, one := range w.watchers {
		_ = one.Process.Signal(syscall.SIGTERM) // an error: it has ended
	}
	for _, one := range w.watchers {
		one.End()
	}
}

// round has the server refuse a login that was good, and measures from when the first
// process asks and is refused.
func (w *watching) round(name string, learn func() error) ([]verdict, error) {
	if err := w.signIn(); err != nil {
		return nil, err
	}
	before := w.calls.count("refused")
	if err := w.t.Fault("refuse=refresh_token_reused@refresh"); err != nil {
		return nil, err
	}
	w.t.Server.ResetCounters()
	learned := make(chan error, 1)
	var began time.Time
	go func() {
		err := w.t.untilAsked(1)
		began = time.Now()
		learned <- err
	}()
	if err := errors.Join(learn(), <-learned); err != nil {
		return nil, err
	}
	var log, metrics, page span
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	wait := func(s *span, what string, holds func() bool) {
		all.Go(func() {
			took, err := until(began, what, holds)
			mu.Lock()
			defer mu.Unlock()
			*s, failed = max(*s, span(took)), errors.Join(failed, err)
		})
	}
	for _, one := range w.watchers {
		wait(&log, "a line in a log", func() bool { return one.refusals() > 0 })
		wait(&metrics, "a metric", func() bool {
			_, text := one.get("/metrics")
			return strings.Contains(text, `codexauth_login_state{profile="default",state="refused"} 1`)
		})
	}
	for _, one := range w.brokers {
		wait(&page, "the page", one.pageSaysRefused)
	}
	var called span
	wait(&called, "the webhook", func() bool { return w.calls.count("refused") > before })
	all.Wait()
	time.Sleep(toldOnce)
	wrong := w.calls.count("refused") - before - 1
	for _, one := range w.watchers {
		wrong += one.refusals() - 1
		one.seen += one.refusals()
	}
	if failed != nil {
		return nil, failed
	}
	within := func(where string, s span) verdict {
		return verdict{What: name + ": seconds until it is in " + where, Got: time.Duration(s).Seconds(), Bound: toldWithin.Seconds(), Speed: true}
	}
	return []verdict{
		{What: fmt.Sprintf("%s: of %d watchers, lines and calls too many", name, len(w.watchers)), Got: float64(wrong)},
		within("every log", log), within("all metrics", metrics), within("both pages", page), within("the webhook's call", called),
	}, nil
}

// signIn signs in, and waits until everybody knows.
func (w *watching) signIn() error {
	w.t.Server.ClearFaults()
	if err := w.t.SignIn(); err != nil {
		return err
	}
	for _, one := range w.watchers {
		if _, err := until(time.Now(), "a sign-in in the metrics", func() bool {
			_, text := one.get("/metrics")
			return strings.Contains(text, `codexauth_login_state{profile="default",state="valid"} 1`)
		}); err != nil {
			return err
		}
	}
	return nil
}

type span time.Duration

// until looks at something again and again, and returns how long after began it holds.
func until(began time.Time, what string, holds func() bool) (time.Duration, error) {
	for !holds() {
		if time.Since(began) > time.Minute {
			return 0, fmt.Errorf("waited a minute for %s", what)
		}
		time.Sleep(lookedEvery)
	}
	return time.Since(began), nil
}

// refusals are the lines of this round.
func (one *watcher) refusals() int {
	return strings.Count(one.Errs.String(), `"event":"refused"`) - one.seen
}

func (one *watcher) get(path string) (status int, text string) {
	if one.at == "" {
		return 0, ""
	}
	resp, err := one.hc.Get(one.at + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// pageSaysRefused asks for what the status page shows: the state, and what happened.
func (one *watcher) pageSaysRefused() bool {
	status, text := one.get("/overview")
	var o overview.Overview
	return status == http.StatusOK && json.Unmarshal([]byte(text), &o) == nil &&
		len(o.Logins) == 1 && o.Logins[0].State == "refused" && len(o.Events) > 0 && strings.Contains(text, "refresh_token_reused")
}

// fails asks the backend something through a broker that can't get an answer.
func (one *watcher) fails() error {
	resp, err := one.hc.Post(one.at+"/v1/responses", "application/json", strings.NewReader(`{"model":"gpt-sandbox","input":"x"}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 {
		return fmt.Errorf("the broker answers %s", resp.Status)
	}
	return nil
}

// webhook counts what it is told.
type webhook struct {
	mu     sync.Mutex
	events map[string]int
}

func (h *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e struct{ Event string }
	if json.NewDecoder(r.Body).Decode(&e) != nil {
		e.Event = "no JSON"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[string]int{}
	}
	h.events[e.Event]++
}

func (h *webhook) count(event string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[event]
}
