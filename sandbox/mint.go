package sandbox

import (
	"strings"
	"time"
)

// The claims that the service nests under addresses of its own.
const (
	authClaim    = "https://api.openai.com/auth"
	profileClaim = "https://api.openai.com/profile"
)

// mint signs what a grant gives out and makes the access token known to the backend.
func (s *Server) mint(g *grant) (Tokens, error) {
	access, err := s.accessToken(g)
	if err != nil {
		return Tokens{}, err
	}
	id, err := s.signer.sign(s.idClaims(g))
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{
		AccessToken: access, RefreshToken: g.refresh, IDToken: id, TokenType: "Bearer",
		ExpiresIn: max(0, int(g.expires.Sub(g.issued)/time.Second)), Scope: strings.Join(g.scope, " "),
		ExpiresAt: g.expires, AccountID: g.account(),
	}, nil
}

// answer is the body of a token answer: t without what a fault leaves out.
func (g *grant) answer(t Tokens) map[string]any {
	a := map[string]any{
		"access_token": t.AccessToken, "id_token": t.IDToken, "token_type": t.TokenType,
		"expires_in": t.ExpiresIn, "scope": t.Scope,
	}
	if t.RefreshToken != "" {
		a["refresh_token"] = t.RefreshToken
	}
	for fault, field := range map[string]string{
		"no-access-token": "access_token", "no-id-token": "id_token", "no-expires-in": "expires_in",
	} {
		if g.faults.has(fault) {
			delete(a, field)
		}
	}
	return a
}

func (s *Server) accessToken(g *grant) (token string, err error) {
	if g.faults.has("opaque-access-token") {
		token = s.random.token("opaque_")
	} else if token, err = s.signer.sign(s.accessClaims(g)); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vault.access[token] = &accessToken{login: g.login, account: g.account(), expires: g.expires, epoch: g.epoch}
	return token, nil
}

// account is the account id that the tokens name; a fault makes it another's.
func (g *grant) account() string {
	if g.faults.has("other-account") {
		return User{Email: "other-" + g.login.user.Email}.withDefaults().AccountID
	}
	return g.login.user.AccountID
}

func (s *Server) accessClaims(g *grant) map[string]any {
	claims := s.commonClaims(g)
	claims["aud"] = []string{"https://api.openai.com/v1"}
	claims["jti"] = g.ids[0]
	claims["client_id"] = s.cfg.ClientID
	claims["scp"] = g.scope
	claims[authClaim] = g.authClaims()
	return claims
}

func (s *Server) idClaims(g *grant) map[string]any {
	auth := g.authClaims()
	auth["organizations"] = []map[string]any{{"id": "org-sandbox", "is_default": true, "role": "owner", "title": "Sandbox"}}
	claims := s.commonClaims(g)
	claims["aud"] = []string{s.cfg.ClientID}
	claims["jti"] = g.ids[1]
	claims["auth_time"] = g.login.began.Unix()
	claims["email"] = g.login.user.Email
	claims["email_verified"] = true
	claims[authClaim] = auth
	if g.login.nonce != "" {
		claims["nonce"] = g.login.nonce
	}
	return claims
}

// commonClaims are in both tokens.
func (s *Server) commonClaims(g *grant) map[string]any {
	claims := map[string]any{
		"iss":        s.issuer,
		"sub":        "sandbox|" + g.login.user.UserID,
		"iat":        g.issued.Unix(),
		"exp":        g.expires.Unix(),
		profileClaim: map[string]any{"email": g.login.user.Email, "email_verified": true},
	}
	if g.faults.has("no-exp") {
		delete(claims, "exp")
	}
	return claims
}

// authClaims say which account the tokens are for.
func (g *grant) authClaims() map[string]any {
	u := g.login.user
	claims := map[string]any{
		"chatgpt_account_id":         g.account(),
		"chatgpt_plan_type":          u.Plan,
		"chatgpt_user_id":            u.UserID,
		"user_id":                    u.UserID,
		"chatgpt_account_is_fedramp": u.FedRAMP,
	}
	if g.faults.has("no-account") {
		delete(claims, "chatgpt_account_id")
	}
	return claims
}
