package sandbox

import (
	"io"
	"net/http"
	"strings"
)

// maxPrompt bounds the body of a request to the backend; agents send long ones.
const maxPrompt = 32 << 20

func (s *Server) backendRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /backend-api/codex/responses", s.backend(s.handleResponses))
	mux.HandleFunc("GET /backend-api/codex/responses", s.backend(s.handleUpgrade))
	mux.HandleFunc("POST /backend-api/codex/responses/compact", s.backend(s.handleCompact))
	mux.HandleFunc("GET /backend-api/codex/models", s.backend(s.handleModels))
	mux.HandleFunc("GET /backend-api/wham/usage", s.backend(s.handleUsage))
}

// A backendCall is a request whose bearer was accepted.
type backendCall struct {
	user   User
	body   []byte
	faults hits
}

// backend reads the body, plays the faults and checks who asks.
func (s *Server) backend(next func(http.ResponseWriter, *http.Request, backendCall)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.count(func(c *Counters) { c.BackendRequests++ })
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPrompt))
		if err != nil {
			writeRefusal(w, badRequest("the body is longer than %d bytes, or broke off", maxPrompt))
			return
		}
		faults := s.meet(atBackend, "")
		if s.interrupt(w, r, faults) {
			return
		}
		user, why := s.authenticate(r)
		if why != "" {
			s.unauthorized(w, "token_expired", why)
			return
		}
		if user.FedRAMP && r.Header.Get("x-openai-fedramp") != "true" {
			writeRefusal(w, &refusal{status: 403, code: "fedramp_required", message: "This account needs the header x-openai-fedramp: true."})
			return
		}
		quota(w.Header(), user, faults)
		next(w, r, backendCall{user: user, body: body, faults: faults})
	}
}

// authenticate checks bearer and account id, and says why they are refused.
func (s *Server) authenticate(r *http.Request) (user User, why string) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return user, "There is no bearer token in the request."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.vault.access[token]
	switch {
	case !ok:
		return user, "The access token was not issued by this sandbox."
	case !s.now().Before(t.expires):
		return user, "The access token has expired."
	case t.epoch != s.vault.epoch:
		return user, "The access token was made to expire."
	case t.login.revoked:
		return user, "The login of this access token was revoked."
	case r.Header.Get("chatgpt-account-id") != t.account:
		return user, "The header chatgpt-account-id is missing or is not the account of the access token."
	}
	return t.login.user, ""
}

func (s *Server) unauthorized(w http.ResponseWriter, code, message string) {
	s.count(func(c *Counters) { c.BackendUnauthorized++ })
	writeRefusal(w, &refusal{status: http.StatusUnauthorized, code: code, message: message})
}
