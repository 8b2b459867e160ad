package watch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/internal/rig/everytext"
)

func watcher(answer func() (*overview.Overview, error)) *Watcher {
	return &Watcher{
		Ask:    func(context.Context) (*overview.Overview, error) { return answer() },
		Remedy: func(profile string) string { return "run login of " + profile },
	}
}

// Where a limit will be: as its pace was since it began.
func TestAtReset(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	window := func(percent float64, left time.Duration) overview.Window {
		return overview.Window{Percent: percent, Seconds: 18000, ResetAt: now.Add(left)}
	}
	for name, tt := range map[string]struct {
		w       overview.Window
		percent float64
		full    time.Duration // 0 is never
	}{
		"half of the time":     {window(25, 150*time.Minute), 50, 0},
		"it will not last":     {window(50, 4*time.Hour), 250, time.Hour},
		"just enough":          {window(80, time.Hour), 100, 0},
		"reached":              {window(100, time.Hour), 0, 0},
		"nothing used":         {window(0, time.Hour), 0, 0},
		"too early":            {window(1, 5*time.Hour-time.Minute), 0, 0},
		"over":                 {window(10, -time.Second), 0, 0},
		"longer than it is":    {window(10, 6*time.Hour), 0, 0},
		"length not known":     {overview.Window{Percent: 10, ResetAt: now.Add(time.Hour)}, 0, 0},
		"reset not known":      {overview.Window{Percent: 10, Seconds: 18000}, 0, 0},
		"an absurd percentage": {window(1e300, time.Hour), 0, 0},
	} {
		percent, full := atReset(tt.w, now)
		want := time.Time{}
		if tt.full != 0 {
			want = now.Add(tt.full)
		}
		if fmt.Sprintf("%.6f", percent) != fmt.Sprintf("%.6f", tt.percent) || !full.Equal(want) {
			t.Errorf("%s: %v, %v", name, percent, full)
		}
	}
}

// However many look, the broker is asked once a second; the pace is that of the last
// minute; and a broker that was started again counts from zero.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, requests, started := 0, int64(100), time.Now()
		w := watcher(func() (*overview.Overview, error) {
			asked++
			return &overview.Overview{At: time.Now(), StartedAt: started, Clients: []overview.Client{{Name: "key ci", Requests: requests}}}, nil
		})
		rate := func() string { return w.Look(t.Context()).Clients[0][2] }
		for range 5 {
			if got := rate(); got != "…" {
				t.Errorf("at first the rate is %s", got)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		for range 30 { // two minutes, the second of them slower
			time.Sleep(2 * time.Second)
			requests += 10
			rate()
		}
		if got := rate(); got != "300" {
			t.Errorf("the rate is %s, want 300", got)
		}
		for range 31 {
			time.Sleep(2 * time.Second)
			requests++
			rate()
		}
		if got := rate(); got != "30" {
			t.Errorf("the rate is %s, want 30", got)
		}
		time.Sleep(2 * time.Second)
		started, requests = time.Now(), 0
		if got := rate(); got != "…" {
			t.Errorf("after a new start the rate is %s", got)
		}
	})
}

// A broker that is away is news, what it said last stays, and it comes back.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		w := watcher(func() (*overview.Overview, error) {
			if err != nil {
				return nil, err
			}
			return &overview.Overview{At: time.Now(), Logins: []overview.Login{{Profile: "work", State: "valid"}}}, nil
		})
		err = errors.New("no such socket")
		if v := w.Look(t.Context()); v.Mood != Bad || v.Summary != "The broker does not answer." || v.Trouble != "no such socket" || len(v.Logins) != 0 {
			t.Errorf("away from the start: %+v", v)
		}
		err = nil
		time.Sleep(fresh)
		if v := w.Look(t.Context()); v.Mood != Good || v.Trouble != "" || v.Summary != "All is well: the login is valid." {
			t.Errorf("there: %+v", v)
		}
		err = errors.New("gone")
		time.Sleep(fresh)
		if v := w.Look(t.Context()); v.Mood != Bad || !strings.HasPrefix(v.Trouble, "gone; below is its last answer, from ") || len(v.Logins) != 1 {
			t.Errorf("gone: %+v", v)
		}
		err = nil
		time.Sleep(fresh)
		if v := w.Look(t.Context()); v.Mood != Good || v.Trouble != "" {
			t.Errorf("back: %+v", v)
		}
	})
}

// What is said of each state, and what to do.
func TestStates(t *testing.T) {
	for state, tt := range map[codexauth.State]struct {
		mood    Mood
		summary string
		remedy  string
	}{
		codexauth.StateValid:     {Good, "All is well: the login is valid.", ""},
		codexauth.StateDue:       {Good, "All is well: the login is valid.", ""},
		codexauth.StateExpired:   {Good, "All is well: the login is valid.", ""},
		codexauth.StateSignedOut: {Bad, "work: not signed in.", "run login of work"},
		codexauth.StateRefused:   {Bad, "work: no longer accepted by the server.", "run login of work"},
		"":                       {Bad, "work: its store can't be read.", ""},
		"of_tomorrow":            {Wait, "work: of_tomorrow.", ""},
	} {
		l := overview.Login{Profile: "work", State: string(state)}
		if state == "" {
			l.Error = "permission denied"
		}
		w := watcher(func() (*overview.Overview, error) { return &overview.Overview{Logins: []overview.Login{l}}, nil })
		if v := w.Look(t.Context()); v.Mood != tt.mood || v.Summary != tt.summary || v.Logins[0].Remedy != tt.remedy {
			t.Errorf("%s: %s, %q, %q", state, v.Mood, v.Summary, v.Logins[0].Remedy)
		}
	}
}

// Nothing that a broker says commands a terminal, or makes a second line.
func TestEveryTextIsOneHarmlessLine(t *testing.T) {
	var o overview.Overview
	everytext.Fill(&o, "a\x1b]0;owned\x07\x1b[2J\r\nb\u202ec\u009b31m"+strings.Repeat("long ", 200))
	w := watcher(func() (*overview.Overview, error) { return &o, nil })
	w.Remedy = func(string) string { return "run login" }
	shown := 0
	eachText(reflect.ValueOf(w.Look(t.Context())), func(text string) {
		shown++
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) || len(text) > 1500 {
			t.Errorf("%q", text)
		}
	})
	if shown < 40 {
		t.Errorf("%d texts only", shown)
	}
}

func eachText(v reflect.Value, do func(string)) {
	switch v.Kind() {
	case reflect.String:
		do(v.String())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachText(v.Index(i), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			eachText(v.Field(i), do)
		}
	}
}
