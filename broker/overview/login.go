package overview

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"

	"codexauth"
	"codexauth/internal/cleantext"
)

// LoginOf tells a login's status. What came from elsewhere is cleaned for a
// terminal, and cut.
func LoginOf(s codexauth.Status) Login {
	l := Login{Profile: cleantext.Line(s.Key), State: string(s.State), Issuer: cleantext.Line(s.Issuer), Rescued: s.Rescued != ""}
	if s.State == codexauth.StateSignedOut {
		return l
	}
	l.Account = cleantext.Line(cmp.Or(maskedEmail(s.Account.Email), s.Account.ID))
	l.Plan = cleantext.Line(s.Account.Plan)
	l.ExpiresAt, l.DueAt, l.LastRefresh, l.RetryAt = seconds(s.ExpiresAt), seconds(s.DueAt), seconds(s.LastRefresh), seconds(s.RetryAt)
	if s.Pending != nil {
		l.Pending = cleantext.Line(s.Pending.String())
	}
	if s.Failure != nil {
		l.Failure = cleantext.Message(s.Failure.Error())
	}
	if r := s.LastRefusal; r != nil {
		l.Refusal = &Refusal{At: seconds(r.At), Code: cleantext.Line(r.Code), Status: r.Status, Description: cleantext.Message(r.Description)}
		if r.CutOff != nil {
			l.Refusal.CutOff = cleantext.Line(r.CutOff.String())
		}
	}
	return l
}

// maskedEmail leaves what tells one's own logins apart: this is on screens that
// others see, too.
func maskedEmail(email string) string {
	name, host, ok := strings.Cut(email, "@")
	if !ok || name == "" {
		return ""
	}
	_, n := utf8.DecodeRuneInString(name)
	return name[:n] + "…@" + host
}

// UsageOf tells how much of the limits is used, as of a time.
func UsageOf(u *codexauth.Usage, at time.Time) *Usage {
	told := &Usage{At: seconds(at), Reached: u.LimitReached || !u.Allowed}
	for _, w := range u.Windows {
		told.Windows = append(told.Windows, Window{cleantext.Line(w.Name), w.UsedPercent, int64(w.Length / time.Second), seconds(w.ResetAt)})
	}
	return told
}

// seconds is t as it stands in JSON everywhere: in UTC, to the second.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
