package broker

import (
	"net/http"
	"time"

	"codexauth"
)

// status is what those who may lease can know of the login. What is not known is
// left out.
type status struct {
	State       codexauth.State `json:"state"`
	Issuer      string          `json:"issuer"`
	AccountID   string          `json:"account_id,omitempty"`
	Email       string          `json:"email,omitempty"`
	Plan        string          `json:"plan,omitempty"`
	FedRAMP     bool            `json:"fedramp,omitempty"`
	ExpiresAt   string          `json:"expires_at,omitempty"`
	LastRefresh string          `json:"last_refresh,omitempty"`
	LastRefusal *lastRefusal    `json:"last_refusal,omitempty"`
}

type lastRefusal struct {
	Code string `json:"code"`
	At   string `json:"at"`
}

func statusBody(s codexauth.Status) status {
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	body := status{
		State: s.State, Issuer: s.Issuer, AccountID: s.Account.ID, Email: s.Account.Email, Plan: s.Account.Plan,
		FedRAMP: s.Account.FedRAMP, ExpiresAt: when(s.ExpiresAt), LastRefresh: when(s.LastRefresh),
	}
	if r := s.LastRefusal; r != nil {
		body.LastRefusal = &lastRefusal{r.Code, when(r.At)}
	}
	return body
}

// handleStatus says how the login is doing. It refreshes nothing.
func (s *Server) handleStatus(w *call, r *http.Request) {
	found, err := w.login.Manager.Status(r.Context())
	if err != nil {
		fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, statusBody(found))
}
