package ui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
)

// Known is s for JSON: null where it is not known.
func Known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// KnownTime is t for JSON: null where it is not known.
func KnownTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return Known(RFC3339(t))
}

// RFC3339 is how times stand in JSON: RFC 3339 in UTC, to the second.
func RFC3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// When shows a time in the person's own zone, and how far it is from now.
func When(t, now time.Time) string {
	return t.Local().Format("2006-01-02 15:04:05 MST") + " (" + Relative(t.Sub(now)) + ")"
}

// Relative says a duration as people do: "in 9 days", "3 minutes ago".
func Relative(d time.Duration) string {
	size := d.Abs()
	unit, name := time.Second, "second"
	switch {
	case size.Round(time.Hour) >= 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case size.Round(time.Minute) >= 2*time.Hour:
		unit, name = time.Hour, "hour"
	case size.Round(time.Second) >= 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := int((size + unit/2) / unit)
	if n != 1 {
		name += "s"
	}
	switch {
	case n == 0:
		return "now"
	case d < 0:
		return fmt.Sprintf("%d %s ago", n, name)
	}
	return fmt.Sprintf("in %d %s", n, name)
}

// Reason says why a login was refused.
func Reason(r *codexauth.RefusedError) string {
	text := cleantext.Line(r.Code)
	if text == "" {
		text = fmt.Sprintf("HTTP %d", r.Status)
	}
	if r.Description != "" {
		text += " (" + cleantext.Line(r.Description) + ")"
	}
	if r.CutOff != nil {
		text += fmt.Sprintf("; a refresh by %s was cut off and its answer is lost", cleantext.Line(r.CutOff.String()))
	}
	return text
}

// AccountID says what stands in the header that names the account.
func AccountID(account codexauth.Account) string {
	if account.ID == "" {
		return "none: requests are sent without the account header"
	}
	return cleantext.Line(account.ID)
}

// AccountPhrase names an account in a sentence.
func AccountPhrase(account codexauth.Account) string {
	if account.ID == "" {
		return "an account without an id"
	}
	return "account " + cleantext.Line(account.ID)
}

// AccountText names an account as people know it.
func AccountText(account codexauth.Account) string {
	name, plan := cleantext.Line(account.Email), cleantext.Line(account.Plan)
	if name == "" {
		name = cleantext.Line(cmp.Or(account.ID, account.UserID, "a user whose tokens give no name"))
	}
	if plan != "" {
		name += " (" + plan + ")"
	}
	return name
}

// Count says how many things called what there are.
func Count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Capital begins a sentence with a name.
func Capital(name string) string { return strings.ToUpper(name[:1]) + name[1:] }
