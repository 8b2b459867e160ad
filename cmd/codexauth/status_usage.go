package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/place"
)

// usage asks the backend how much of the rate limits is used.
func (a *app) usage(ctx context.Context, m *codexauth.Manager, p *place.Place) (*codexauth.Usage, error) {
	a.heedSignals() // the token may need a refresh
	defer a.After(time.Second, "waiting for the backend…")()
	u, err := m.Usage(ctx, p.BackendTransport())
	if err != nil {
		return nil, fmt.Errorf("how much is used could not be asked: %w", err)
	}
	return u, nil
}

type usageBody struct {
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

func usageJSON(u *codexauth.Usage) *usageBody {
	if u == nil {
		return nil
	}
	body := &usageBody{Plan: ui.Known(u.Plan), Allowed: u.Allowed, LimitReached: u.LimitReached, Windows: []windowBody{}}
	for _, w := range u.Windows {
		b := windowBody{Name: w.Name, UsedPercent: w.UsedPercent, ResetsAt: ui.KnownTime(w.ResetAt)}
		if seconds := int64(w.Length / time.Second); seconds > 0 {
			b.WindowSeconds = &seconds
		}
		body.Windows = append(body.Windows, b)
	}
	if c := u.Credits; c != nil {
		body.Credits = &creditsBody{c.Has, c.Unlimited, ui.Known(c.Balance)}
	}
	return body
}

// usageRows is the usage for people.
func (a *app) usageRows(u *codexauth.Usage, now time.Time) [][]string {
	if u == nil {
		return nil
	}
	rows := [][]string{}
	for _, w := range u.Windows {
		text := fmt.Sprintf("%s %5.1f%% used", a.bar(w.UsedPercent), w.UsedPercent)
		if !w.ResetAt.IsZero() {
			text += ", resets " + ui.When(w.ResetAt, now)
		}
		rows = append(rows, []string{ui.LimitName(w), text})
	}
	switch st := a.StyleOf(a.Stdout); {
	case u.LimitReached, !u.Allowed:
		rows = append(rows, []string{"Limit", st.Red("reached: requests are refused until it resets")})
	case len(u.Windows) == 0:
		rows = append(rows, []string{"Limit", "the backend tells of none"})
	}
	if c := u.Credits; c != nil {
		rows = append(rows, []string{"Credits", ui.Credits(c.Has, c.Unlimited, c.Balance)})
	}
	if u.Plan != "" {
		rows = append(rows, []string{"Plan", cleantext.Line(u.Plan) + ", by the backend"})
	}
	return rows
}

// barWidth is how many characters a full bar has.
const barWidth = 20

// bar draws a percentage: [#####---------------]. What is not nothing shows, and
// what is not everything is not full.
func (a *app) bar(percent float64) string {
	n := int(percent*barWidth/100 + 0.5)
	switch {
	case percent >= 100:
		n = barWidth
	case percent > 0:
		n = min(max(n, 1), barWidth-1)
	}
	st := a.StyleOf(a.Stdout)
	paint := st.Green
	if percent >= 90 {
		paint = st.Red
	}
	return "[" + paint(strings.Repeat("#", n)) + strings.Repeat("-", barWidth-n) + "]"
}
