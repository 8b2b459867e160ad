package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/promtext"
)

var everyKind = []codexauth.EventKind{
	codexauth.EventRefreshed, codexauth.EventRefused, codexauth.EventBackingOff, codexauth.EventUnknownOutcome,
	codexauth.EventStoreAway, codexauth.EventStoreBack, codexauth.EventSignedIn, codexauth.EventSignedOut,
}

// Each event is one line that says what happened, and what to do where there is
// something to do, whatever a server or a store says and a profile is called.
func TestJournalLogs(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var text bytes.Buffer
		var handler slog.Handler = slog.NewTextHandler(&text, nil)
		if format == "json" {
			handler = slog.NewJSONHandler(&text, nil)
		}
		j := NewJournal(slog.New(handler))
		for _, kind := range everyKind {
			text.Reset()
			e := codexauth.Event{Kind: kind, Key: "a\nb\x1b[31m", At: time.Now(), Until: time.Unix(4102444800, 0)}
			bad := kind == codexauth.EventRefused || kind == codexauth.EventStoreAway || kind == codexauth.EventBackingOff
			if bad {
				e.Err = &codexauth.RefusedError{Code: "x\n\u202ey", Description: "d\nlevel=INFO\x07"}
			}
			j.Hear(e)
			line := text.String()
			if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b\x07\u202e") || !strings.Contains(line, string(kind)) {
				t.Errorf("%s: %q", kind, line)
			}
			if bad != strings.Contains(line, "remedy") && kind != codexauth.EventSignedOut && kind != codexauth.EventUnknownOutcome {
				t.Errorf("%s: %q", kind, line)
			}
			if format == "json" && json.Unmarshal(text.Bytes(), new(map[string]any)) != nil {
				t.Errorf("%s: %q", kind, line)
			}
		}
	}
}

// A remedy in a log or a message is a command that can be pasted, whatever somebody who
// can write the store has called a profile.
func TestRemedyCanBePasted(t *testing.T) {
	for key, want := range map[string]string{
		codexauth.DefaultKey: "codexauth login",
		"work":               "codexauth --profile work login",
	} {
		if got := Describe(codexauth.Event{Kind: codexauth.EventRefused, Key: key}).Remedy; !strings.HasSuffix(got, ": "+want) {
			t.Errorf("%s: %q", key, got)
		}
	}
	odd := "$(id)`id`"
	if got := Describe(codexauth.Event{Kind: codexauth.EventRefused, Key: odd}).Remedy; !strings.Contains(got, "'"+odd+"'") {
		t.Errorf("%q", got)
	}
}

func TestJournalKeepsTheLatest(t *testing.T) {
	j := NewJournal(nil)
	for i := range mostRecent + 10 {
		j.Hear(codexauth.Event{Kind: codexauth.EventRefreshed, Key: "a", Seq: uint64(i)})
	}
	j.Hear(codexauth.Event{Kind: codexauth.EventRefused, Key: "b"})
	recent := j.Recent("a")
	if len(recent) != mostRecent || recent[0].Seq != 10 || recent[mostRecent-1].Seq != mostRecent+9 || len(j.Recent("b")) != 1 || len(j.Recent("c")) != 0 {
		t.Errorf("%d of a, %d of b", len(recent), len(j.Recent("b")))
	}
	if n := j.Count("a", codexauth.EventRefreshed); n != mostRecent+10 {
		t.Errorf("%d are counted", n)
	}
}

// A JSON body is the same event in words.
func TestBodyOf(t *testing.T) {
	data, err := json.Marshal(BodyOf(codexauth.Event{Kind: codexauth.EventRefused, Key: "work", At: time.Unix(0, 0), AccountID: "acc\n1",
		Err: &codexauth.RefusedError{Code: "refresh_token_reused"}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"event":"refused"`, `"profile":"work"`, `"code":"refresh_token_reused"`, `"at":"1970-01-01T00:00:00Z"`, `codexauth --profile work login`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

// Whatever logins, plans and codes are called, the exposition is one that Prometheus
// reads.
func TestExposition(t *testing.T) {
	var w Exposition
	j := NewJournal(nil)
	nasty := "a\\b\"c\nd\xff}"
	status := codexauth.Status{State: codexauth.StateRefused, Account: codexauth.Account{ID: nasty, Plan: nasty}, Issuer: nasty,
		ExpiresAt: time.Now(), LastRefusal: &codexauth.RefusedError{At: time.Now()}, RetryAt: time.Now()}
	j.Looked(nasty)(time.Second, errors.New("away"))
	WriteBuild(&w)
	WriteLogins(&w, []Login{{Name: nasty, Status: status, Journal: j, Limits: []Limit{{"primary", 0.5, time.Now()}}}, {Name: "b", Err: errors.New("x")}})
	var h Histogram
	for _, took := range []time.Duration{0, time.Millisecond, time.Second, time.Hour} {
		h.Observe(took)
	}
	w.Family("h_seconds", "histogram", "A histogram.")
	w.Histogram("h_seconds", &h, "path", nasty)
	m, err := promtext.Read(w.String())
	if err != nil {
		t.Error(err)
	}
	if m.Values[`codexauth_store_errors_total{profile="a\\b\"c\nd�}"}`] != 1 || m.Values[`codexauth_store_readable{profile="b"}`] != 0 {
		t.Errorf("%s", w.String())
	}
}

func TestLimitsLearn(t *testing.T) {
	var l Limits
	now := time.Now()
	for _, value := range []string{"", "x", "NaN", "-1", "1e9", "Inf"} {
		l.Learn(http.Header{"X-Codex-Primary-Used-Percent": {value}}, now)
	}
	if known := l.Known(now); len(known) != 0 {
		t.Errorf("%v", known)
	}
	h := http.Header{}
	h.Set("x-codex-secondary-used-percent", "42.5")
	h.Set("x-codex-secondary-reset-after-seconds", "60")
	l.Learn(h, now)
	if known := l.Known(now); len(known) != 1 || known[0] != (Limit{"secondary", 0.425, now.Add(time.Minute)}) {
		t.Errorf("%v", known)
	}
	if known := l.Known(now.Add(time.Hour)); len(known) != 0 {
		t.Errorf("after its reset: %v", known)
	}
}
