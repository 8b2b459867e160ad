package sandbox

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// codeTTL is how long an authorization code lives; RFC 6749 §4.1.2 recommends
// at most 10 minutes.
const codeTTL = 5 * time.Minute

// offlineAccess is the scope that asks for a refresh token.
const offlineAccess = "offline_access"

// A vault is what the server has given out. It remembers spent tokens and codes
// until the server closes, since recognising them is what the sandbox is for.
type vault struct {
	logins  []*login
	refresh map[string]*refreshToken
	access  map[string]*accessToken
	codes   map[string]*authCode
	flows   map[string]*flow
	devices []*device
	epoch   int // moved by ExpireAccessTokens
}

func newVault() vault {
	return vault{
		refresh: map[string]*refreshToken{}, access: map[string]*accessToken{},
		codes: map[string]*authCode{}, flows: map[string]*flow{},
	}
}

// A login is a family of tokens: everything that came from one consent.
type login struct {
	user    User
	scope   []string
	nonce   string
	began   time.Time
	revoked bool
}

type refreshToken struct {
	login   *login
	issued  time.Time
	spent   bool
	spentAt time.Time
	next    string // the successor, once spent
}

type accessToken struct {
	login   *login
	account string
	expires time.Time
	epoch   int
}

type authCode struct {
	request authRequest
	user    User
	expires time.Time
	used    bool
	login   *login // what the exchange began; nil if it failed
}

// A grant is what one accepted token request gives out, decided under the lock
// and signed after it.
type grant struct {
	login   *login
	scope   []string
	refresh string // "" if none is given out
	issued  time.Time
	expires time.Time
	epoch   int
	ids     [2]string // jti of access and id token
	faults  hits
}

// newGrant gives out tokens of l. The caller holds mu.
func (s *Server) newGrant(l *login, faults hits) *grant {
	issued := s.now().Truncate(time.Second)
	return &grant{
		login: l, scope: l.scope, issued: issued, expires: issued.Add(wholeSeconds(s.accessTTL)),
		epoch: s.vault.epoch, ids: [2]string{s.random.token("at_"), s.random.token("id_")}, faults: faults,
	}
}

// begin starts a login and gives out its first tokens. The caller holds mu.
func (s *Server) begin(user User, scope []string, nonce string, faults hits) *grant {
	l := &login{user: user, scope: scope, nonce: nonce, began: s.now()}
	s.vault.logins = append(s.vault.logins, l)
	g := s.newGrant(l, faults)
	if slices.Contains(scope, offlineAccess) && !faults.has("no-refresh-token") {
		g.refresh = s.newRefreshToken(l)
	}
	return g
}

// newRefreshToken adds a token to the family l. The caller holds mu.
func (s *Server) newRefreshToken(l *login) string {
	token := s.random.token("rt_")
	s.vault.refresh[token] = &refreshToken{login: l, issued: s.now()}
	return token
}

// revoke ends a family. The caller holds mu.
func (s *Server) revoke(l *login) {
	if !l.revoked {
		l.revoked = true
		s.counters.FamiliesRevoked++
	}
}

// Tokens are a login that was minted without a browser, in the words of the
// token endpoint. Printing or logging the value shows no token; JSON does.
type Tokens struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	IDToken      string    `json:"id_token"`
	ExpiresIn    int       `json:"expires_in"` // seconds
	Scope        string    `json:"scope"`
	TokenType    string    `json:"token_type"`
	ExpiresAt    time.Time `json:"expires_at"` // of the access token, by the server's clock
	AccountID    string    `json:"account_id"`
}

// Format shows no token, whatever the verb.
func (t Tokens) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sandbox.Tokens{redacted}") }

// LogValue shows no token.
func (t Tokens) LogValue() slog.Value { return slog.StringValue("redacted") }

// Issue signs a user in without a browser and returns the login. The zero User
// is the default one. It counts nothing and meets no fault.
func (s *Server) Issue(u User) Tokens {
	if u == (User{}) {
		u = s.defaultUser()
	}
	s.mu.Lock()
	g := s.begin(u.withDefaults(), supportedScopes(), "", nil)
	s.mu.Unlock()
	t, err := s.mint(g)
	if err != nil { // our own claims and key: not for any input
		s.cfg.Log.Error("issue", "err", err)
	}
	return t
}

// ExpireAccessTokens makes the backend refuse every access token issued so far,
// although their exp has not come: what a client must recover from on a 401.
// Refresh tokens stay as they are.
func (s *Server) ExpireAccessTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vault.epoch++
}

// RevokeAll revokes every login: their refresh tokens are refused with
// refresh_token_invalidated, and the backend refuses their access tokens.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.vault.logins {
		s.revoke(l)
	}
}

// RevokeFamily revokes the login that a refresh or access token belongs to, as
// RevokeAll does, and reports whether there is one.
func (s *Server) RevokeFamily(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revokeToken(token)
}

// revokeToken is RevokeFamily for a caller that holds mu.
func (s *Server) revokeToken(token string) bool {
	if t, ok := s.vault.refresh[token]; ok {
		s.revoke(t.login)
		return true
	}
	if t, ok := s.vault.access[token]; ok {
		s.revoke(t.login)
		return true
	}
	return false
}

func (s *Server) defaultUser() User {
	if len(s.cfg.Users) > 0 {
		return s.cfg.Users[0]
	}
	return User{}.withDefaults()
}

// findUser is the user with this email address. Where Config names none, every
// address has an account.
func (s *Server) findUser(email string) (User, bool) {
	for _, u := range s.cfg.Users {
		if equalEmail(u.Email, email) {
			return u, true
		}
	}
	if len(s.cfg.Users) > 0 || !plausibleEmail(email) {
		return User{}, false
	}
	return User{Email: email}.withDefaults(), true
}
