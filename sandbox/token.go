package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// deviceGrant is the grant type of RFC 8628 §3.4.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

func (s *Server) tokenRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /oauth/token", s.handleToken)
	mux.HandleFunc("POST /oauth/revoke", s.handleRevoke)
	mux.HandleFunc("/oauth/elsewhere", s.handleElsewhere)
}

// handleToken serves one token request: read it, meet the faults that spend
// nothing, spend, meet those that come after, answer.
func (s *Server) handleToken(w http.ResponseWriter, r *http.Request) {
	defer s.enterToken()()
	p, refused := readParams(w, r)
	var kind string
	if refused == nil {
		kind, refused = s.checkClient(p)
	}
	if refused != nil {
		refused.rfc = p["grant_type"] == deviceGrant
		s.refuse(w, refused)
		return
	}
	if kind == "refresh" {
		s.count(func(c *Counters) { c.RefreshRequests++ })
	}
	if s.interrupt(w, r, s.meet(beforeSpending, kind)) {
		return
	}
	g, refused := s.spend(kind, p)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	s.logFaults(g.faults)
	t, err := s.mint(g)
	if err != nil {
		s.cfg.Log.Error("token", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	s.deliver(w, r, g, t)
}

// checkClient checks what every grant has in common and names the grant.
func (s *Server) checkClient(p params) (kind string, refused *refusal) {
	kinds := map[string]string{"authorization_code": "code", "refresh_token": "refresh", deviceGrant: "device"}
	grantType, given := p["grant_type"]
	if !given {
		return "", badRequest("grant_type is missing")
	}
	kind, known := kinds[grantType]
	if !known {
		return "", &refusal{status: 400, code: "unsupported_grant_type", message: "grant_type must be authorization_code, refresh_token or " + deviceGrant}
	}
	switch p["client_id"] {
	case s.cfg.ClientID:
		return kind, nil
	case "":
		return "", badRequest("client_id is missing")
	default:
		return "", &refusal{status: 400, code: "invalid_client", message: "this sandbox knows no client but " + s.cfg.ClientID}
	}
}

// spend turns a code or a token into a grant, atomically.
func (s *Server) spend(kind string, p params) (*grant, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case "code":
		return s.spendCode(p)
	case "refresh":
		return s.spendRefreshToken(p)
	default:
		return s.spendDeviceCode(p)
	}
}

// spendCode redeems an authorization code. Any attempt uses the code up, so that
// nobody tries verifiers; a second one revokes what came of the first (RFC 6749 §4.1.2).
// The caller holds mu.
func (s *Server) spendCode(p params) (*grant, *refusal) {
	invalid := func(message string) (*grant, *refusal) {
		return nil, &refusal{status: 400, code: "invalid_grant", message: message}
	}
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if p[name] == "" {
			return nil, badRequest("%s is missing", name)
		}
	}
	c, ok := s.vault.codes[p["code"]]
	if !ok {
		return invalid("this authorization code was not issued here")
	}
	if c.used {
		s.counters.CodeReplays++
		if c.login != nil {
			s.revoke(c.login)
		}
		return invalid("this authorization code was already used; its tokens are revoked")
	}
	c.used = true
	if !s.now().Before(c.expires) {
		return invalid("this authorization code has expired")
	}
	if p["redirect_uri"] != c.request.redirectURI {
		return invalid("redirect_uri is not the one of the authorization request")
	}
	if !verifies(p["code_verifier"], c.request.challenge) {
		return invalid("code_verifier does not match the code_challenge (RFC 7636 §4.6)")
	}
	g := s.begin(c.user, c.request.scope, c.request.nonce, s.meetLocked(afterSpending, "code"))
	c.login = g.login
	s.counters.CodeExchanges++
	return g, nil
}

// verifies checks a verifier of RFC 7636 §4.1 against an S256 challenge.
func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 || strings.Trim(verifier, unreserved) != "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(challengeOf(verifier)), []byte(challenge)) == 1
}

// challengeOf is the S256 challenge of RFC 7636 §4.2.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return b64(sum[:])
}

// unreserved are the characters that RFC 3986 §2.3 calls so.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// spendRefreshToken rotates a refresh token. The caller holds mu.
func (s *Server) spendRefreshToken(p params) (*grant, *refusal) {
	if p["refresh_token"] == "" {
		return nil, badRequest("refresh_token is missing")
	}
	t, ok := s.vault.refresh[p["refresh_token"]]
	if !ok {
		s.counters.UnknownTokens++
		return nil, &refusal{status: 401, code: "refresh_token_invalidated", message: "This refresh token was not issued by this sandbox, which forgets everything when it stops. Please try signing in again."}
	}
	if refused := s.judge(t); refused != nil {
		return nil, refused
	}
	scope, refused := narrowed(t.login.scope, p["scope"])
	if refused != nil {
		return nil, refused
	}
	faults := s.meetLocked(afterSpending, "refresh")
	g := s.newGrant(t.login, faults)
	g.scope = scope
	s.counters.Refreshes++
	switch {
	case t.spent:
		s.counters.GraceRefreshes++
		g.refresh = t.next
	case !faults.has("no-refresh-token"):
		t.spent, t.spentAt = true, s.now()
		t.next = s.newRefreshToken(t.login)
		g.refresh = t.next
	}
	if faults.has("no-refresh-token") {
		g.refresh = ""
	}
	return g, nil
}

// judge says why a refresh token is refused, or nil. A reuse revokes the family:
// either its thief or its owner has presented it (RFC 9700 §4.14.2). The caller holds mu.
func (s *Server) judge(t *refreshToken) *refusal {
	if t.login.revoked {
		s.counters.DeadFamily++
	}
	inGrace := !t.login.revoked && s.cfg.Grace > 0 && s.now().Sub(t.spentAt) < s.cfg.Grace
	switch {
	case t.spent && !inGrace:
		s.counters.Reuses++
		if !s.cfg.KeepFamily {
			s.revoke(t.login)
		}
		return &refusal{status: 401, code: "refresh_token_reused", message: "Your refresh token has already been used to generate a new access token. Please try signing in again."}
	case t.login.revoked:
		return &refusal{status: 401, code: "refresh_token_invalidated", message: "Your refresh token has been revoked. Please try signing in again."}
	case s.cfg.RefreshTTL > 0 && s.now().Sub(t.issued) >= s.cfg.RefreshTTL:
		return &refusal{status: 401, code: "refresh_token_expired", message: "Your refresh token has expired. Please try signing in again."}
	}
	return nil
}

// narrowed is the scope of a refresh: what was granted, or the part asked for
// (RFC 6749 §6).
func narrowed(granted []string, asked string) ([]string, *refusal) {
	if asked == "" {
		return granted, nil
	}
	scope := strings.Fields(asked)
	for _, v := range scope {
		if !slices.Contains(granted, v) {
			return nil, &refusal{status: 400, code: "invalid_scope", message: "scope asks for more than was granted"}
		}
	}
	return scope, nil
}

// refuse answers with an error of the server's own judgement. A device that is
// told to wait was not refused.
func (s *Server) refuse(w http.ResponseWriter, e *refusal) {
	if e.code != "authorization_pending" && e.code != "slow_down" {
		s.count(func(c *Counters) { c.Refused++ })
	}
	s.cfg.Log.Info("refused", "code", e.code)
	writeRefusal(w, e)
}

// handleRevoke ends the family of a token (RFC 7009). A token that is not known
// is no error (§2.2).
func (s *Server) handleRevoke(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counters) { c.Revocations++ })
	p, refused := readParams(w, r)
	switch {
	case refused != nil:
	case p["token"] == "":
		refused = badRequest("token is missing")
	case p["client_id"] != s.cfg.ClientID:
		refused = &refusal{status: 400, code: "invalid_client", message: "client_id is missing or unknown"}
	}
	if refused != nil {
		writeRefusal(w, refused)
		return
	}
	if s.interrupt(w, r, s.meet(atRevoke, "")) {
		return
	}
	s.RevokeFamily(p["token"])
	writeJSON(w, http.StatusOK, struct{}{})
}

// handleElsewhere is where the fault "redirect" points. Nobody should come.
func (s *Server) handleElsewhere(w http.ResponseWriter, _ *http.Request) {
	s.count(func(c *Counters) { c.RedirectsTaken++ })
	writeRefusal(w, badRequest("a token request must not follow redirects"))
}

// marshalAnswer is the body of a token answer, of which faults cut or spoil the text.
func marshalAnswer(fields map[string]any) []byte {
	text, err := json.Marshal(fields)
	if err != nil { // strings and numbers only
		return nil
	}
	return append(text, '\n')
}
