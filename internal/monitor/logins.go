package monitor

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"codexauth"
)

// Login is one login whose metrics are served.
type Login struct {
	Name    string // of its profile
	Status  codexauth.Status
	Err     error    // why there is no Status
	Journal *Journal // nil: nobody watches over it
	Limits  []Limit
	// Nameless: whose login it is stays untold.
	Nameless bool
}

// storeStats are about the looks at one login's store.
type storeStats struct {
	looks, failures, nanos atomic.Int64
	away                   atomic.Bool
	claims                 Histogram
}

// looked counts a look.
func (s *storeStats) looked(took time.Duration, err error) {
	s.looks.Add(1)
	s.nanos.Add(int64(took))
	away := err != nil && !errors.Is(err, codexauth.ErrSignedOut)
	if s.away.Store(away); away {
		s.failures.Add(1)
	}
}

// Read asks m for what is to be known of its login. It refreshes nothing.
func Read(ctx context.Context, name string, m *codexauth.Manager) Login {
	l := Login{Name: name}
	l.Status, l.Err = m.Status(ctx)
	return l
}

var states = []codexauth.State{codexauth.StateValid, codexauth.StateDue, codexauth.StateExpired, codexauth.StateSignedOut, codexauth.StateRefused}

// outcomes are how refreshes end, by the label of codexauth_refreshes_total.
var outcomes = []struct {
	kind  codexauth.EventKind
	label string
}{
	{codexauth.EventRefreshed, "refreshed"}, {codexauth.EventRefused, "refused"},
	{codexauth.EventBackingOff, "failed"}, {codexauth.EventUnknownOutcome, "unknown"},
}

// WriteBuild writes which program this is.
func WriteBuild(w *Exposition) {
	w.Family("codexauth_build_info", "gauge", "1, with the version of codexauth and of Go.")
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	w.Line("codexauth_build_info", 1, "version", version, "go_version", runtime.Version())
}

// WriteLogins writes the metrics of logins.
func WriteLogins(w *Exposition, logins []Login) {
	writeStates(w, logins)
	writeTimes(w, logins)
	writeRefreshes(w, logins)
	writeStore(w, logins)
	writeUsage(w, logins)
}

func writeStates(w *Exposition, logins []Login) {
	w.Family("codexauth_store_readable", "gauge", "Whether the login's state could be read for this answer.")
	for _, l := range logins {
		w.Line("codexauth_store_readable", is(l.Err == nil), "profile", l.Name)
	}
	w.Family("codexauth_login_info", "gauge", "1 for a login that is stored, with whose it is.")
	for _, l := range logins {
		if l.signedIn() && !l.Nameless {
			s := l.Status
			w.Line("codexauth_login_info", 1, "profile", l.Name, "issuer", s.Issuer, "account_id", s.Account.ID, "plan", s.Account.Plan)
		}
	}
	w.Family("codexauth_login_state", "gauge", "1 for the state that the login is in, as of codexauth status.")
	for _, l := range logins {
		if l.Err != nil {
			continue
		}
		for _, state := range states {
			w.Line("codexauth_login_state", is(state == l.Status.State), "profile", l.Name, "state", string(state))
		}
	}
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (l Login) signedIn() bool { return l.Err == nil && l.Status.State != codexauth.StateSignedOut }

func writeTimes(w *Exposition, logins []Login) {
	each := func(name, help string, at func(codexauth.Status) time.Time) {
		w.Family(name, "gauge", help)
		for _, l := range logins {
			if l.signedIn() {
				w.Time(name, at(l.Status), "profile", l.Name)
			}
		}
	}
	each("codexauth_token_expiry_timestamp_seconds", "When the access token expires, by this machine's clock.", func(s codexauth.Status) time.Time {
		if s.ExpiresAt.IsZero() {
			return s.ExpiresAt
		}
		return s.ExpiresAt.Add(-s.Skew)
	})
	each("codexauth_last_refresh_timestamp_seconds", "When the login was refreshed last.", func(s codexauth.Status) time.Time { return s.LastRefresh })
	each("codexauth_backoff_until_timestamp_seconds", "Before when no refresh is tried, while there is such a time.", func(s codexauth.Status) time.Time { return s.RetryAt })
	each("codexauth_refused_timestamp_seconds", "When the server refused the login.", func(s codexauth.Status) time.Time {
		if s.LastRefusal == nil {
			return time.Time{}
		}
		return s.LastRefusal.At
	})
	each("codexauth_pending_refresh_timestamp_seconds", "When a refresh began whose outcome is not known yet.", func(s codexauth.Status) time.Time {
		if s.Pending == nil {
			return time.Time{}
		}
		return s.Pending.Since
	})
}

func writeRefreshes(w *Exposition, logins []Login) {
	w.Family("codexauth_refreshes_total", "counter", "Refreshes of the login that this process saw, whoever made them, by how they ended.")
	for _, l := range logins {
		for _, o := range outcomes {
			if l.Journal != nil {
				w.Line("codexauth_refreshes_total", float64(l.Journal.Count(l.Name, o.kind)), "profile", l.Name, "outcome", o.label)
			}
		}
	}
}

func writeStore(w *Exposition, logins []Login) {
	each := func(name, kind, help string, lines func(login string, s *storeStats)) {
		w.Family(name, kind, help)
		for _, l := range logins {
			if l.Journal != nil {
				lines(l.Name, l.Journal.of(l.Name).store)
			}
		}
	}
	each("codexauth_store_away", "gauge", "Whether the last look at the login's store failed.", func(login string, s *storeStats) {
		w.Line("codexauth_store_away", is(s.away.Load()), "profile", login)
	})
	each("codexauth_store_errors_total", "counter", "Looks at the login's store that failed.", func(login string, s *storeStats) {
		w.Line("codexauth_store_errors_total", float64(s.failures.Load()), "profile", login)
	})
	each("codexauth_store_look_seconds", "summary", "How long looks at the login's store took.", func(login string, s *storeStats) {
		w.Line("codexauth_store_look_seconds_sum", time.Duration(s.nanos.Load()).Seconds(), "profile", login)
		w.Line("codexauth_store_look_seconds_count", float64(s.looks.Load()), "profile", login)
	})
	each("codexauth_store_claim_seconds", "histogram", "How long the store took to give this process, or one that it started, the right to change the login.", func(login string, s *storeStats) {
		if !s.claims.Empty() {
			w.Histogram("codexauth_store_claim_seconds", &s.claims, "profile", login)
		}
	})
}

// writeUsage writes how much of the account's limits is used, as far as it is known.
func writeUsage(w *Exposition, logins []Login) {
	w.Family("codexauth_usage_ratio", "gauge", "How much of a rate limit's window is used, from 0 to 1.")
	for _, l := range logins {
		for _, u := range l.Limits {
			w.Line("codexauth_usage_ratio", u.Used, "profile", l.Name, "window", u.Window)
		}
	}
	w.Family("codexauth_usage_reset_timestamp_seconds", "gauge", "When a rate limit's window begins again.")
	for _, l := range logins {
		for _, u := range l.Limits {
			w.Time("codexauth_usage_reset_timestamp_seconds", u.ResetsAt, "profile", l.Name, "window", u.Window)
		}
	}
}
