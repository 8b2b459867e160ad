package ui

import (
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
)

// A UsageBody is the usage in JSON. What is not known is null.
type UsageBody struct {
	Plan         *string      `json:"plan"`
	Allowed      bool         `json:"allowed"`
	LimitReached bool         `json:"limit_reached"`
	Windows      []windowBody `json:"windows"`
	Credits      *creditsBody `json:"credits"`
}

type windowBody struct {
	Name          string  `json:"name"`
	UsedPercent   float64 `json:"used_percent"`
	WindowSeconds *int64  `json:"window_seconds"`
	ResetsAt      *string `json:"resets_at"`
}

type creditsBody struct {
	HasCredits bool    `json:"has_credits"`
	Unlimited  bool    `json:"unlimited"`
	Balance    *string `json:"balance"`
}

// UsageJSON is the usage for programs; nil stays nil.
func UsageJSON(u *codexauth.Usage) *UsageBody {
	if u == nil {
		return nil
	}
	body := &UsageBody{Plan: Known(u.Plan), Allowed: u.Allowed, LimitReached: u.LimitReached, Windows: []windowBody{}}
	for _, w := range u.Windows {
		b := windowBody{Name: w.Name, UsedPercent: w.UsedPercent, ResetsAt: KnownTime(w.ResetAt)}
		if seconds := int64(w.Length / time.Second); seconds > 0 {
			b.WindowSeconds = &seconds
		}
		body.Windows = append(body.Windows, b)
	}
	if c := u.Credits; c.Reported {
		body.Credits = &creditsBody{c.Has, c.Unlimited, Known(c.Balance)}
	}
	return body
}

// UsageRows is the usage for people.
func (t *Terminal) UsageRows(u *codexauth.Usage, now time.Time) [][]string {
	if u == nil {
		return nil
	}
	rows := [][]string{}
	for _, w := range u.Windows {
		text := fmt.Sprintf("%s %5.1f%% used", t.Bar(w.UsedPercent), w.UsedPercent)
		if !w.ResetAt.IsZero() {
			text += ", resets " + When(w.ResetAt, now)
		}
		rows = append(rows, []string{LimitName(w), text})
	}
	switch st := t.StyleOf(t.Stdout); {
	case u.LimitReached, !u.Allowed:
		rows = append(rows, []string{"Limit", st.Red("reached: requests are refused until it resets")})
	case len(u.Windows) == 0:
		rows = append(rows, []string{"Limit", "none reported"})
	}
	if c := u.Credits; c.Reported {
		rows = append(rows, []string{"Credits", creditsText(c.Has, c.Unlimited, c.Balance)})
	}
	if u.Plan != "" {
		rows = append(rows, []string{"Plan", cleantext.Line(u.Plan) + " (reported by the backend)"})
	}
	return rows
}

// barWidth is how many characters a full bar has.
const barWidth = 20

// Bar draws a percentage: [#####---------------]. What is not nothing shows, and
// what is not everything is not full.
func (t *Terminal) Bar(percent float64) string {
	n := int(percent*barWidth/100 + 0.5)
	switch {
	case percent >= 100:
		n = barWidth
	case percent > 0:
		n = min(max(n, 1), barWidth-1)
	}
	st := t.StyleOf(t.Stdout)
	paint := st.Green
	if percent >= 90 {
		paint = st.Red
	}
	return "[" + paint(strings.Repeat("#", n)) + strings.Repeat("-", barWidth-n) + "]"
}

// LimitName calls a window by its length, as people do.
func LimitName(w codexauth.UsageWindow) string {
	const day = 24 * time.Hour
	switch d := w.Length.Round(time.Minute); {
	case d <= 0:
		return "Limit (" + cleantext.Line(w.Name) + ")"
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

func creditsText(has, unlimited bool, balance string) string {
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
