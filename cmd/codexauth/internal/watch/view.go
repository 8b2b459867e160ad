package watch

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
)

// Mood is how a thing is doing: its colour.
type Mood string

// The moods, from the best.
const (
	Good Mood = "good"
	Wait Mood = "wait" // it passes by itself
	Bad  Mood = "bad"  // somebody has to do something
)

func (m Mood) worse(other Mood) Mood {
	if m == Bad || other == Good {
		return m
	}
	return other
}

// View is a broker in words. Every text of it is one line, fit for a terminal.
type View struct {
	Mood    Mood
	Summary string // a sentence, which changes only when there is news
	Trouble string // why the broker could not be asked; "" if it was
	Now     string
	Since   string // when it was started; "" where there is no broker
	Logins  []Login
	Clients [][]string // in the order of ClientHeads
	Models  [][]string // in the order of ModelHeads
	Events  []Event
}

// ClientHeads and ModelHeads are the columns of the tables: the first is a name,
// the others are numbers.
var (
	ClientHeads = []string{"Name", "Open", "Per minute", "Requests", "Refused", "Failed", "Tokens"}
	ModelHeads  = []string{"Model", "Answers", "Broken off"}
)

// Login is a login in words.
type Login struct {
	Profile, State string
	Mood           Mood
	Remedy         string // what to do; "" for nothing
	Facts          [][2]string
	Limits         []Limit
}

// Limit is a rate limit in words.
type Limit struct {
	Name    string
	Percent float64 // that is used
	Ahead   float64 // that will be used when it resets, at this pace; 0 if that can't be said
	Text    string
}

// Event is something that happened, in words.
type Event struct {
	At, Profile, Text, Remedy string
	Bad                       bool
}

// away is what there is to see where nobody has answered yet.
func away(err error, now time.Time) View {
	v := View{Now: clock(now, now)}
	v.lost(err, time.Time{})
	return v
}

// lost says that the broker does not answer, since its last answer at a time.
func (v *View) lost(err error, since time.Time) {
	v.Mood, v.Summary, v.Trouble = Bad, "The broker does not answer.", cleantext.Message(err.Error())
	if !since.IsZero() {
		v.Trouble += "; below is its last answer, from " + since.Local().Format(time.TimeOnly)
	}
}

func (w *Watcher) view(o *overview.Overview, now time.Time) View {
	v := View{Mood: Good, Now: clock(now, now)}
	if !o.StartedAt.IsZero() {
		v.Since = when(o.StartedAt, now)
	}
	for _, l := range o.Logins {
		login := w.login(l, now)
		v.Logins = append(v.Logins, login)
		v.Mood = v.Mood.worse(login.Mood)
	}
	v.Summary = summary(v.Logins)
	for _, c := range o.Clients {
		v.Clients = append(v.Clients, w.client(c))
	}
	for _, m := range o.Models {
		v.Models = append(v.Models, []string{cleantext.Line(m.Name), number(m.Answers), number(m.Failed)})
	}
	for _, e := range o.Events {
		v.Events = append(v.Events, Event{when(e.At, now), cleantext.Line(e.Profile), cleantext.Line(e.Text), cleantext.Line(e.Remedy), e.Bad})
	}
	return v
}

// summary is one sentence about all logins.
func summary(logins []Login) string {
	var troubled []string
	for _, l := range logins {
		if l.Mood != Good {
			troubled = append(troubled, l.Profile+": "+l.State)
		}
	}
	switch {
	case len(logins) == 0:
		return "There is no login."
	case len(troubled) > 3:
		return fmt.Sprintf("%d of %d logins need attention.", len(troubled), len(logins))
	case len(troubled) > 0:
		return strings.Join(troubled, "; ") + "."
	case len(logins) == 1:
		return "All is well: the login is valid."
	}
	return fmt.Sprintf("All is well: %d logins are valid.", len(logins))
}

func (w *Watcher) login(l overview.Login, now time.Time) Login {
	told := Login{Profile: cleantext.Line(l.Profile)}
	told.State, told.Mood = stateOf(l)
	if l.State == string(codexauth.StateSignedOut) || l.State == string(codexauth.StateRefused) {
		told.Remedy = w.Remedy(l.Profile)
	}
	add := func(name, text string) {
		if text != "" {
			told.Facts = append(told.Facts, [2]string{name, text})
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return when(t, now)
	}
	if l.Error != "" {
		add("Store", cleantext.Message(l.Error))
	}
	account := cleantext.Line(l.Account)
	if l.Plan != "" {
		account = strings.TrimSpace(account + " (" + cleantext.Line(l.Plan) + ")")
	}
	add("Account", account)
	add("Token expires", at(l.ExpiresAt))
	add("Next refresh", nextRefresh(l, now))
	add("Last refresh", at(l.LastRefresh))
	if l.Pending != "" {
		add("Refresh begun", cleantext.Line(l.Pending)+", outcome not known yet")
	}
	if l.Rescued {
		add("Rescued", "a newer token waits to be put back, which the next refresh does")
	}
	if r := l.Refusal; r != nil {
		add("Refused", when(r.At, now)+": "+reason(r))
	}
	if l.Failure != "" {
		add("Last attempt", cleantext.Message(l.Failure))
		add("Next attempt", at(l.RetryAt))
	}
	told.limits(l.Usage, now)
	if l.Usage != nil && l.Usage.Error != "" {
		add("Limits", "could not be asked: "+cleantext.Message(l.Usage.Error))
	}
	return told
}

// stateOf says a login's state.
func stateOf(l overview.Login) (string, Mood) {
	switch codexauth.State(l.State) {
	case codexauth.StateValid, codexauth.StateDue:
		if l.Failure != "" {
			return "valid, but the last refresh failed", Wait
		}
		return "valid", Good
	case codexauth.StateExpired:
		if l.Failure != "" {
			return "expired, and the last refresh failed", Bad
		}
		return "expired: the next request refreshes it", Good // a login that rests
	case codexauth.StateSignedOut:
		return "not signed in", Bad
	case codexauth.StateRefused:
		return "no longer accepted by the server", Bad
	}
	if l.Error != "" {
		return "its store can't be read", Bad
	}
	return cleantext.Line(l.State), Wait // of a broker newer than this
}

func nextRefresh(l overview.Login, now time.Time) string {
	switch {
	case l.DueAt.IsZero() || l.State == string(codexauth.StateRefused):
		return ""
	case !l.DueAt.After(now):
		return "with the next request"
	}
	return "with the first request after " + when(l.DueAt, now)
}

func reason(r *overview.Refusal) string {
	text := ui.Reason(&codexauth.RefusedError{Code: r.Code, Status: r.Status, Description: r.Description})
	if r.CutOff != "" {
		text += "; a refresh by " + cleantext.Line(r.CutOff) + " was cut off and its answer is lost"
	}
	return text
}

func (w *Watcher) client(c overview.Client) []string {
	name := cleantext.Line(cmp.Or(c.Name, "somebody"))
	if name == "unknown" {
		name = "not let in"
	}
	rate := "…"
	if n, ok := w.pace.perMinute(c.Name); ok {
		rate = strconv.FormatFloat(n, 'f', 0, 64)
	}
	if c.Rate != "" {
		rate += " (of " + cleantext.Line(c.Rate) + ")"
	}
	open := number(c.Open)
	if c.Streams > 0 {
		open += " of " + strconv.Itoa(c.Streams)
	}
	return []string{name, open, rate, number(c.Requests), number(c.Refused), number(c.Failed), number(c.Tokens)}
}

// number writes a count with spaces between thousands, as every language reads it.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// clock is a time of about today.
func clock(t, now time.Time) string {
	if d := t.Sub(now).Abs(); d > 20*time.Hour {
		return t.Local().Format("2 Jan 15:04")
	}
	return t.Local().Format(time.TimeOnly)
}

func when(t, now time.Time) string { return clock(t, now) + " (" + ui.Relative(t.Sub(now)) + ")" }
