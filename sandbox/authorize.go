package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An authRequest is an authorization request that passed every check.
type authRequest struct {
	redirectURI string
	state       string
	challenge   string
	nonce       string
	scope       []string
	workspaces  []string // allowed_workspace_id; empty allows all
}

// A flow is a person on the way through the pages. Its key stands in every form
// as the CSRF token and counts only together with the browser's cookie.
type flow struct {
	session   string
	forDevice bool
	request   authRequest // of the browser flow

	user   User    // once known; guarded by Server.mu
	device *device // once known; guarded by Server.mu
}

func (s *Server) authorizeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /oauth/authorize", s.handleAuthorize)
	mux.HandleFunc("POST /oauth/authorize/login", s.handleLogin)
	mux.HandleFunc("POST /oauth/authorize/decide", s.handleDecision)
	mux.HandleFunc("GET /sandbox/style.css", handleStyle)
	mux.HandleFunc("GET /{$}", s.handleHome)
}

// handleAuthorize begins a browser sign-in (RFC 6749 §4.1.1). Until client and
// redirect URI are known to be good, errors are shown and never redirected.
func (s *Server) handleAuthorize(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counters) { c.AuthorizeRequests++ })
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.errorPage(w, "The query of this address is not well formed.")
		return
	}
	q, refused := single(query)
	if refused != nil {
		s.errorPage(w, "This request is wrong: "+refused.message)
		return
	}
	if q["client_id"] != s.cfg.ClientID {
		s.errorPage(w, "This sandbox does not know that client_id; it knows "+s.cfg.ClientID+".")
		return
	}
	if !registered(q["redirect_uri"]) {
		s.errorPage(w, "That redirect_uri is not registered; it must be http://localhost:PORT/auth/callback or http://127.0.0.1:PORT/auth/callback.")
		return
	}
	request, refused := readAuthRequest(q)
	if refused != nil {
		s.redirectError(w, r, request, refused)
		return
	}
	user, known := s.findUser(q["login_hint"])
	if !known {
		user = s.defaultUser()
	}
	if s.cfg.AutoApprove {
		s.approve(w, r, request, user)
		return
	}
	csrf := s.newFlow(w, r, &flow{request: request})
	s.render(w, http.StatusOK, "login", page{Title: "Sign in", CSRF: csrf, Email: user.Email})
}

// registered accepts the two registered redirect URIs, with any port, since
// tests take theirs from the kernel.
func registered(uri string) bool {
	for _, host := range []string{"http://localhost:", "http://127.0.0.1:"} {
		if rest, ok := strings.CutPrefix(uri, host); ok {
			port, ok := strings.CutSuffix(rest, "/auth/callback")
			n, err := strconv.ParseUint(port, 10, 16)
			return ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == port
		}
	}
	return false
}

// supportedScopes are those that the Codex CLI asks for.
func supportedScopes() []string {
	return []string{"openid", "profile", "email", offlineAccess, "api.connectors.read", "api.connectors.invoke"}
}

// readAuthRequest checks what may be answered by redirect. The request it
// returns with a refusal is good for that redirect.
func readAuthRequest(q params) (authRequest, *refusal) {
	a := authRequest{
		redirectURI: q["redirect_uri"], state: q["state"], challenge: q["code_challenge"],
		nonce: q["nonce"], scope: strings.Fields(q["scope"]),
	}
	if ids := q["allowed_workspace_id"]; ids != "" {
		a.workspaces = strings.Split(ids, ",")
	}
	switch {
	case q["response_type"] != "code":
		return a, &refusal{code: "unsupported_response_type", message: "response_type must be code"}
	case a.state == "":
		return a, badRequest("state is missing")
	case q["code_challenge_method"] != "S256":
		return a, badRequest("code_challenge_method must be S256 (RFC 7636 §4.3)")
	case len(a.challenge) != 43 || strings.Trim(a.challenge, strings.TrimSuffix(unreserved, ".~")+"_") != "":
		return a, badRequest("code_challenge must be 43 characters of base64url")
	}
	known := func(v string) bool { return slices.Contains(supportedScopes(), v) }
	if len(a.scope) == 0 || slices.ContainsFunc(a.scope, func(v string) bool { return !known(v) }) {
		return a, &refusal{code: "invalid_scope", message: "scope must be some of: " + strings.Join(supportedScopes(), " ")}
	}
	return a, nil
}

// redirectBack sends the browser back to the client. iss is what RFC 9207 adds
// against mix-ups.
func (s *Server) redirectBack(w http.ResponseWriter, r *http.Request, a authRequest, result url.Values) {
	result.Set("iss", s.issuer)
	if a.state != "" {
		result.Set("state", a.state)
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, a.redirectURI+"?"+result.Encode(), http.StatusSeeOther)
}

func (s *Server) redirectError(w http.ResponseWriter, r *http.Request, a authRequest, e *refusal) {
	s.redirectBack(w, r, a, url.Values{"error": {e.code}, "error_description": {e.message}})
}

// approve ends an authorization request with a code.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, a authRequest, user User) {
	if !a.allows(user) {
		s.redirectError(w, r, a, workspaceRefusal())
		return
	}
	s.mu.Lock()
	code := s.newCode(a, user)
	s.mu.Unlock()
	s.redirectBack(w, r, a, url.Values{"code": {code}})
}

// allows reports whether allowed_workspace_id, where given, has the user's account.
func (a authRequest) allows(user User) bool {
	return len(a.workspaces) == 0 || slices.Contains(a.workspaces, user.AccountID)
}

func workspaceRefusal() *refusal {
	return &refusal{code: "access_denied", message: "this account is not in allowed_workspace_id"}
}

// newCode makes an authorization code. The caller holds mu.
func (s *Server) newCode(a authRequest, user User) string {
	code := s.random.token("ac_")
	s.vault.codes[code] = &authCode{request: a, user: user, expires: s.now().Add(codeTTL)}
	return code
}

// handleLogin takes the email address of the login page.
func (s *Server) handleLogin(w http.ResponseWriter, r *http.Request) {
	f, p, csrf := s.resume(w, r)
	if f == nil {
		return
	}
	if f.forDevice {
		s.outOfOrder(w)
		return
	}
	user, known := s.findUser(p["email"])
	if !known {
		s.render(w, http.StatusUnprocessableEntity, "login", page{
			Title: "Sign in", CSRF: csrf, Email: p["email"], Error: s.unknownUser(),
		})
		return
	}
	if !f.request.allows(user) {
		s.finish(csrf)
		s.redirectError(w, r, f.request, workspaceRefusal())
		return
	}
	s.mu.Lock()
	f.user = user
	s.mu.Unlock()
	s.render(w, http.StatusOK, "consent", page{
		Title: "Allow access", CSRF: csrf, Action: "/oauth/authorize/decide", User: user,
		Client: s.cfg.ClientID, Scopes: f.request.scope, Target: f.request.redirectURI,
	})
}

// handleDecision takes Allow or Deny of the consent page.
func (s *Server) handleDecision(w http.ResponseWriter, r *http.Request) {
	f, p, csrf := s.resume(w, r)
	if f == nil {
		return
	}
	s.mu.Lock()
	user := f.user
	s.mu.Unlock()
	if f.forDevice || user == (User{}) || !s.finish(csrf) {
		s.outOfOrder(w)
		return
	}
	if p["decision"] != "allow" {
		s.redirectError(w, r, f.request, &refusal{code: "access_denied", message: "the user denied the request"})
		return
	}
	s.approve(w, r, f.request, user)
}

func (s *Server) unknownUser() string {
	if len(s.cfg.Users) == 0 {
		return "That is not an email address."
	}
	var emails []string
	for _, u := range s.cfg.Users {
		emails = append(emails, u.Email)
	}
	return "This sandbox knows " + strings.Join(emails, ", ") + " only."
}

func equalEmail(a, b string) bool { return strings.EqualFold(a, strings.TrimSpace(b)) }

// plausibleEmail is as strict as a stand-in needs to be.
func plausibleEmail(email string) bool {
	user, domain, ok := strings.Cut(strings.TrimSpace(email), "@")
	return ok && user != "" && domain != "" && len(email) <= 254 && !strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
