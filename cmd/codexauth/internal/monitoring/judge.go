package monitoring

import (
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
)

// Result is what a monitoring plugin answers: its exit code.
type Result int

// What it answers.
const (
	OK Result = iota
	Warning
	Critical
	Unknown
)

func (r Result) String() string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[r]
}

// Judge says how bad a status is.
func Judge(s codexauth.Status, warnBefore time.Duration, now time.Time) (Result, string) {
	name := cleantext.OneLine(s.Key) + ": "
	left := s.ExpiresAt.Sub(now.Add(s.Skew))
	switch {
	case s.State == codexauth.StateRefused:
		return Critical, name + "no longer accepted by the server (" + cleantext.OneLine(ui.Reason(s.LastRefusal)) + "): sign in again"
	case s.State == codexauth.StateSignedOut && s.Rescued != "":
		return Critical, name + "its store is missing, and a rescued login waits"
	case s.State == codexauth.StateSignedOut:
		return Critical, name + "not signed in"
	case s.State == codexauth.StateExpired && s.Failure != nil:
		return Critical, name + "the token has expired, and refreshing it fails: " + cleantext.OneLine(s.Failure.Error())
	case s.Failure != nil:
		return Warning, name + "the last refresh failed: " + cleantext.OneLine(s.Failure.Error())
	case s.Rescued != "":
		return Warning, name + "a newer token waits in a rescue file: the store did not take it"
	case s.Pending != nil && s.Abandoned:
		return Warning, name + "a refresh was cut off; the next one will show whether the login is lost"
	case s.State == codexauth.StateExpired:
		return Warning, name + "the token has expired; the next use refreshes it"
	case left < warnBefore:
		return Warning, name + "the token expires in " + left.Round(time.Second).String() + ", and nobody has refreshed it"
	}
	return OK, name + string(s.State) + ", the token is good for " + left.Round(time.Second).String()
}
