package codexauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"
)

// held is an access token with its dates by the local clock, in Unix
// nanoseconds. It never changes.
type held struct {
	due, end int64
	life     time.Duration // from when it was received to its end
	unmet    time.Duration // a MinValid that this token did not meet when it was new
	token    Token
	login    string
	seq      uint64
	forced   int64 // when the last refresh because of a backend's 401 was; 0 is never
	rejected bool  // the backend refused it: whoever asks waits for another
	dueThen  int64 // due of one that is rejected
	kept     bool  // the last refresh brought no access token that can be used: it is the old one
}

// heldOf makes a token of a record, with its dates moved to the local clock.
func heldOf(rec *record) *held {
	c := rec.credential()
	window := refreshWindow(c)
	skew := rec.skew()
	due := c.Expiry.Add(-window - skew).UnixNano()
	if time.Now().Add(skew + time.Minute).Before(c.LastRefresh) {
		due = 0 // the clock was set back: a refresh teaches us the issuer's
	}
	forced := int64(0)
	if !rec.ForcedAt.IsZero() {
		forced = rec.ForcedAt.UnixNano()
	}
	return &held{
		due: due, forced: forced,
		end:   c.Expiry.Add(-skew).UnixNano(),
		life:  c.Expiry.Sub(c.LastRefresh),
		unmet: time.Duration(rec.UnmetMS) * time.Millisecond,
		login: rec.Login,
		seq:   rec.Seq,
		kept:  rec.Backoff != nil && rec.Backoff.Status == http.StatusOK && rec.Note == nil,
		token: Token{AccessToken: c.AccessToken, AccountID: c.Account.ID, Expiry: c.Expiry, FedRAMP: c.Account.FedRAMP},
	}
}

// refreshWindow is how long before its end a token is due: five minutes, or a
// tenth of a life that is shorter than fifty.
func refreshWindow(c Credential) time.Duration {
	life := c.Expiry.Sub(c.LastRefresh)
	return max(min(5*time.Minute, life/10), 0)
}

// stale reports whether a token was good when it was issued and has ended on its
// way here: the process was stopped, or the machine slept.
func (h *held) stale() bool {
	return !h.rejected && h.life > 0 && time.Now().UnixNano() >= h.end
}

// rejectedToken is the fingerprint of a token that the backend refused.
func (h *held) rejectedToken() string {
	if h == nil || !h.rejected {
		return ""
	}
	return h.token.AccessToken.fingerprint()
}

// dueAt is when h is due by its age.
func (h *held) dueAt() int64 {
	if h.rejected {
		return h.dueThen
	}
	return h.due
}

// standsFor reports whether h is served on although err says that there is no
// other in its place: it has not ended, and what keeps the other away passes.
func (h *held) standsFor(err error) bool {
	return h != nil && time.Now().UnixNano() < h.end && (!h.rejected ||
		errors.Is(err, ErrTransient) || errors.Is(err, ErrBusy) || errors.Is(err, ErrUnknownOutcome))
}

// hashes reports whether sum is the SHA-256 of the token. No sum is no token's.
func (h *held) hashes(sum []byte) bool {
	if len(sum) == 0 {
		return false
	}
	own := sha256.Sum256([]byte(h.token.AccessToken.Reveal()))
	return subtle.ConstantTimeCompare(own[:], sum) == 1
}

func stateOf(h *held, now time.Time) State {
	switch n := now.UnixNano(); {
	case n >= h.end:
		return StateExpired
	case n >= h.due:
		return StateDue
	}
	return StateValid
}
