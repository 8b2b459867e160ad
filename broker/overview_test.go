package broker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/broker/overview"
)

func (r *rig) overview() (o overview.Overview, text string) {
	r.Helper()
	status, text, _ := r.ask("GET", "/overview", "", "Authorization", "Bearer "+r.lease)
	if status != http.StatusOK {
		r.Fatalf("status %d: %s", status, text)
	}
	r.must(json.Unmarshal([]byte(text), &o))
	return o, text
}

// Who watches sees the login, who asks, and nothing that opens anything or that
// was said.
func TestOverview(t *testing.T) {
	r := newRig(t, nil)
	if status, text, _ := r.ask("POST", "/v1/responses", `{"model":"gpt-sandbox","input":"tell me a secret word"}`); status != 200 {
		t.Fatalf("status %d: %s", status, text)
	}
	r.ask("GET", "/v1/nothing", "")
	o, text := r.overview()
	if len(o.Logins) != 1 || o.Logins[0].State != "valid" || o.Logins[0].Profile != "default" {
		t.Fatalf("logins %+v", o.Logins)
	}
	l := o.Logins[0]
	if l.Account != "d…@sandbox.test" || l.Plan != "plus" || !l.DueAt.Before(l.ExpiresAt) || !l.DueAt.After(o.At) || l.LastRefresh.IsZero() {
		t.Errorf("login %+v", l)
	}
	if l.Usage == nil || l.Usage.Error != "" || len(l.Usage.Windows) != 2 || l.Usage.Windows[0].Percent != 12.5 {
		t.Errorf("usage %+v", l.Usage)
	}
	if len(o.Events) == 0 || o.StartedAt.IsZero() {
		t.Errorf("events %+v, started %v", o.Events, o.StartedAt)
	}
	var plain overview.Client
	for _, c := range o.Clients {
		if c.Name == "key plain" {
			plain = c
		}
	}
	if plain.Requests != 2 || plain.Refused != 1 || plain.Tokens == 0 || plain.In == 0 || plain.Out == 0 || plain.LastUsed.IsZero() {
		t.Errorf("the key: %+v", plain)
	}
	if len(o.Models) != 1 || o.Models[0] != (overview.Model{Name: "gpt-sandbox", Answers: 1}) {
		t.Errorf("models %+v", o.Models)
	}
	for name, secret := range map[string]string{"token": r.token(), "key": r.key, "e-mail": "dev@sandbox.test", "question": "secret word"} {
		if strings.Contains(text, secret) {
			t.Errorf("it shows the %s", name)
		}
	}
}

// A key that may not lease, nobody, and a page may not watch.
func TestOverviewIsForThoseWhoMayLease(t *testing.T) {
	r := newRig(t, nil)
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"a plain key": {nil, 403},
		"nobody":      {[]string{"Authorization", ""}, 401},
		"a page":      {[]string{"Authorization", "Bearer " + r.lease, "Origin", "http://127.0.0.1"}, 403},
		"a rebound":   {[]string{"Authorization", "Bearer " + r.lease}, 421},
	} {
		req := r.request("GET", "/overview", "", tt.headers...)
		if name == "a rebound" {
			req.Host = "evil.example"
		}
		if resp := r.send(req); resp.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.want)
		}
	}
}

// However many watch, the backend is asked for the limits once a minute, not at
// all where nobody does, and a login that needs a refresh gets none by it.
func TestWatchingAsksLittle(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/usage") {
			asked.Add(1)
		}
		w.Write([]byte(`{"rate_limit":{"allowed":true,"primary_window":{"used_percent":7,"limit_window_seconds":60,"reset_after_seconds":30}}}`))
	})
	r.ask("GET", "/v1/models", "")
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times, and nobody watches", n)
	}
	for range 5 {
		o, _ := r.overview()
		if u := o.Logins[0].Usage; u == nil || len(u.Windows) != 1 || u.Windows[0].Percent != 7 {
			t.Errorf("usage %+v", u)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	for _, state := range []codexauth.State{codexauth.StateDue, codexauth.StateExpired, codexauth.StateRefused, codexauth.StateSignedOut} {
		fresh := new(usageWatch)
		if got := fresh.watched(t.Context(), r.server, r.server.logins[0], state); got != nil || asked.Load() != 1 {
			t.Errorf("%s: %+v, and asked", state, got)
		}
	}
}

// An answer that does not come holds up nobody for long, and an old one stays with
// why there is none newer.
func TestUsageThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &usageWatch{asked: make(chan struct{})}
		wait := func() (*overview.Usage, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), usageWait)
			defer cancel()
			began := time.Now()
			return u.watched(ctx, nil, nil, codexauth.StateValid), time.Since(began)
		}
		if got, took := wait(); got != nil || took != usageWait {
			t.Errorf("%+v after %v", got, took)
		}
		u.known = &overview.Usage{At: time.Now()}
		if got, took := wait(); got == nil || took != 0 {
			t.Errorf("%+v after %v", got, took)
		}
		time.Sleep(usageOld)
		if got, took := wait(); got == nil || took != usageWait {
			t.Errorf("an old one: %+v after %v", got, took)
		}
	})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	o, _ := r.overview()
	if u := o.Logins[0].Usage; u == nil || u.Error == "" || len(u.Windows) != 0 {
		t.Errorf("usage %+v", u)
	}
}

// What happened to a login is what the journal has, and before that what its record
// tells, each once and the latest first.
func TestOverviewOfWhatHappened(t *testing.T) {
	journal := NewJournal(nil)
	r := newRig(t, nil, func(c *Config) { c.Journal = journal })
	o, _ := r.overview()
	if len(o.Events) != 1 || o.Events[0].Text != "the login was refreshed" || o.Events[0].Bad {
		t.Errorf("from the record: %+v", o.Events)
	}
	began := time.Now().Add(time.Minute)
	journal.Hear(codexauth.Event{Kind: codexauth.EventRefreshed, Key: "default", At: began})
	journal.Hear(codexauth.Event{Kind: codexauth.EventStoreAway, Key: "default", At: began.Add(time.Minute), Err: errors.New("permission\x1b[2J denied")})
	journal.Hear(codexauth.Event{Kind: codexauth.EventStoreAway, Key: "another", At: began})
	o, _ = r.overview()
	if len(o.Events) != 3 || !o.Events[0].Bad || o.Events[0].Remedy == "" || !strings.Contains(o.Events[0].Text, "denied") || strings.Contains(o.Events[0].Text, "\x1b") {
		t.Errorf("with the journal: %+v", o.Events)
	}
	for range 100 {
		journal.Hear(codexauth.Event{Kind: codexauth.EventRefreshed, Key: "default", At: began.Add(time.Hour)})
	}
	if o, _ = r.overview(); len(o.Events) != toldEvents {
		t.Errorf("%d events", len(o.Events))
	}
}

// This user's page, which asks every two seconds, fills no log; a key that watches is
// in it, and so is whoever is refused.
func TestWatchingFillsNoLog(t *testing.T) {
	for name, tt := range map[string]struct {
		c    *call
		want bool
	}{
		"this user":      {&call{client: client{own: true}, path: overviewPath, status: 200}, true},
		"a key":          {&call{path: overviewPath, status: 200}, false},
		"refused":        {&call{client: client{own: true}, path: overviewPath, status: 403}, false},
		"something else": {&call{client: client{own: true}, path: "/token", status: 200}, false},
	} {
		if got := tt.c.watches(); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
