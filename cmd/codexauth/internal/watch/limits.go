package watch

import (
	"fmt"
	"time"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/ui"
)

// settled is how much of a limit's time must have passed before its pace says
// anything.
const settled = 0.02

// limits words how much of the limits is used.
func (l *Login) limits(u *overview.Usage, now time.Time) {
	if u == nil || u.At.IsZero() {
		return
	}
	for _, w := range u.Windows {
		w.Percent = min(max(w.Percent, 0), 999) // whatever a broker says
		ahead, full := atReset(w, u.At)
		text := fmt.Sprintf("%.1f%% used", w.Percent)
		if !w.ResetAt.IsZero() {
			text += ", resets " + when(w.ResetAt, now)
		}
		switch {
		case w.Percent >= 100:
			text += "; reached: requests are refused until then"
		case !full.IsZero():
			text += "; at this pace it is reached " + when(full, now)
		case ahead > 0:
			text += fmt.Sprintf("; at this pace %.0f%% by then", ahead)
		}
		name := ui.LimitName(codexauth.UsageWindow{Name: w.Name, Length: time.Duration(w.Seconds) * time.Second})
		l.Limits = append(l.Limits, Limit{name, w.Percent, ahead, text})
	}
	if len(l.Limits) > 0 {
		l.Facts = append(l.Facts, [2]string{"Limits as of", when(u.At, now)})
	}
	if u.Reached {
		l.Mood = l.Mood.worse(Wait)
		l.State += "; a limit is reached"
	}
}

// atReset says how much of a window will be used when it resets if it goes on as
// since it began, and when that is all of it; zero where that can't be said, or
// does not come about.
func atReset(w overview.Window, now time.Time) (percent float64, full time.Time) {
	length := time.Duration(w.Seconds) * time.Second
	left := w.ResetAt.Sub(now)
	passed := length - left
	if length <= 0 || w.ResetAt.IsZero() || left <= 0 || passed <= 0 || w.Percent <= 0 || w.Percent >= 100 || float64(passed) < settled*float64(length) {
		return 0, time.Time{}
	}
	percent = w.Percent * float64(length) / float64(passed)
	if percent > 100 {
		full = now.Add(time.Duration((100 - w.Percent) / w.Percent * float64(passed)))
	}
	return percent, full
}
