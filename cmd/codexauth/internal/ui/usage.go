package ui

import (
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
)

// LimitName calls a window by its length, as people do.
func LimitName(w codexauth.UsageWindow) string {
	const day = 24 * time.Hour
	switch d := w.Length.Round(time.Minute); {
	case d <= 0:
		return "Limit (" + w.Name + ")"
	case d == 7*day:
		return "Weekly limit"
	case d == day:
		return "Daily limit"
	case d%day == 0:
		return fmt.Sprintf("%d-day limit", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d-hour limit", d/time.Hour)
	default:
		return fmt.Sprintf("%d-minute limit", d/time.Minute)
	}
}

// Credits says how many credits are left.
func Credits(has, unlimited bool, balance string) string {
	switch {
	case unlimited:
		return "unlimited"
	case has && balance != "":
		return "balance " + cleantext.Line(balance)
	case has:
		return "some"
	}
	return "none"
}
