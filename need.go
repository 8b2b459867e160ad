package codexauth

import "time"

// need says what a rotation is for. It holds no secret: as JSON it goes to another
// process ([Config].Delegate), perhaps one of another version.
type need struct {
	Fresh    bool          `json:"fresh,omitempty"`     // a token that is not due …
	MinValid time.Duration `json:"min_valid,omitempty"` // … with at least this much left, in nanoseconds
	Not      string        `json:"not,omitempty"`       // not the access token with this SHA-256
	Force    bool          `json:"force,omitempty"`     // newer than (Login, Seq)
	Login    string        `json:"login,omitempty"`
	Seq      uint64        `json:"seq,omitempty"`
	AtOnce   bool          `json:"at_once,omitempty"` // while the present token is valid, don't wait for the claim

	Discovered bool `json:"discovered,omitempty"` // the record says where the issuer answers

	looked bool // who asks has just seen that no stored token will do
	leased bool // a lessee asks, which has judged for itself what a 401 is worth
}

func (n need) accepts(h *held) bool {
	now := time.Now()
	switch {
	case h == nil, h.rejected, now.UnixNano() >= h.end:
		return false
	case n.Force:
		return (h.login != n.Login || h.seq > n.Seq) && !h.kept
	case n.Not != "" && h.token.AccessToken.fingerprint() == n.Not:
		return false
	case n.Fresh:
		wish := n.MinValid
		if h.unmet > 0 && wish >= h.unmet {
			// A wish for more than a new token lives would cost a refresh at every
			// call and never come true.
			wish = min(wish, h.life-h.life/10)
		}
		return now.UnixNano() < h.due && now.Add(wish).UnixNano() < h.end
	}
	return true
}

// covers reports whether a failure to get n is also a failure to get other.
func (n need) covers(other need) bool {
	return (!n.AtOnce || other.AtOnce) && (n.Force || !other.Force) && (n.Not == "" || n.Not == other.Not)
}

// onlyRefused reports whether nothing but the backend's 401 speaks against h.
func (n need) onlyRefused(h *held) bool {
	return n.Not != "" && !n.Force && time.Now().UnixNano() < h.dueAt() && h.token.AccessToken.fingerprint() == n.Not
}
