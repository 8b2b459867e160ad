package codexauth

import (
	"time"

	"codexauth/internal/oauth"
)

// What an answer and its access token tell about time. A token's life is counted
// from its arrival wherever that can be done: then no clock has to be right. The
// issuer's clock is needed to write down when that life ends in terms that others
// understand, and for a token that says nothing but when it ends.

const (
	// clockSlack is how far the claims of a fresh token may be from the Date of the
	// answer that brought it. Beyond that one of them is wrong, and it is not the
	// claims: the Date can be a cache's or a gateway's.
	clockSlack = 2 * time.Minute
	// leastLife is assumed of a fresh token that has ended by every clock.
	leastLife = 5 * time.Minute
	// defaultLife is assumed for a token that does not say when it ends: the
	// official client refreshes such a one after eight days.
	defaultLife = 8 * 24 * time.Hour
)

// lifetime is a fresh token's time by the issuer's clock.
type lifetime struct {
	began, ends time.Time
	taught      time.Time // what the issuer's clock showed on arrival; zero if nobody told
}

// lifetimeOf judges a token that has just come. now is the issuer's clock as far
// as it was known before.
func lifetimeOf(a *oauth.Answer, c oauth.Claims, now time.Time) lifetime {
	now = now.Round(0)
	var issued, counted time.Time // two ways to tell when it is
	life := a.ExpiresIn
	if !c.IssuedAt.IsZero() {
		issued = c.IssuedAt.Add(a.Held)
		if own := c.Expiry.Sub(issued); own > 0 && (life == 0 || own < life) {
			life = own
		}
	}
	if a.ExpiresIn > 0 && !c.Expiry.IsZero() {
		counted = c.Expiry.Add(-a.ExpiresIn)
	}
	switch {
	case life > 0:
	case c.Expiry.IsZero():
		life = defaultLife
	case issued.IsZero():
		return lifetimeUntil(c.Expiry, a.Date, now)
	default:
		life = c.Expiry.Sub(issued) // the token itself says that it has ended
	}
	began, taught := now, issuerClock(a.Date, issued, counted, now)
	if !taught.IsZero() {
		began = taught
	}
	return lifetime{began, began.Add(life), taught}
}

// issuerClock tells what the issuer's clock shows. Where the token contradicts the
// Date, the token is right.
func issuerClock(date, issued, counted, now time.Time) time.Time {
	near := func(t time.Time) bool { return !t.IsZero() && date.Sub(t).Abs() <= clockSlack }
	switch {
	case !date.IsZero() && (near(issued) || near(counted)):
		return date
	case issued.IsZero() && counted.IsZero():
		return date
	case counted.IsZero():
		return issued
	case issued.IsZero() && (date.IsZero() || counted.After(date)):
		return date // the server merely wants the token replaced before its end
	case issued.IsZero():
		return counted
	case now.Sub(counted).Abs() < now.Sub(issued).Abs():
		return counted // a token that the server had given out before
	}
	return issued
}

// lifetimeUntil is for a token that says when it ends and not when it began: the
// later clock is the careful one, unless the token had ended by it.
func lifetimeUntil(ends, date, now time.Time) lifetime {
	byDate, byUs := lifetime{date, ends, date}, lifetime{now, ends, time.Time{}}
	if date.IsZero() {
		byDate = byUs
	}
	later, earlier := byDate, byUs
	if byUs.began.After(byDate.began) {
		later, earlier = byUs, byDate
	}
	left := func(l lifetime) time.Duration { return l.ends.Sub(l.began) }
	switch {
	case left(later) >= leastLife, left(later) > 0 && left(earlier) < leastLife:
		return later
	case left(earlier) > 0:
		return earlier
	}
	return lifetime{now, now.Add(leastLife), time.Time{}}
}
