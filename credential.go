package codexauth

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"codexauth/internal/oauth"
)

// Credential is one login: what the authorization server granted to one client
// for one account. Its tokens don't print themselves.
type Credential struct {
	Issuer       string
	ClientID     string
	AccessToken  Secret
	RefreshToken Secret // single use; empty if the server granted none
	IDToken      Secret
	Expiry       time.Time // when the access token ends, by the issuer's clock
	Scopes       []string  // as granted
	LastRefresh  time.Time // when the tokens were received
	Account      Account
}

// String shows whose credential it is and when it ends.
func (c Credential) String() string {
	return fmt.Sprintf("credential of %s at %s, until %s", c.Account.name(), c.Issuer, c.Expiry.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue is for log/slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// credentialFrom makes a credential of the answer to a sign-in. now is the
// issuer's clock as far as it was known, taught what it is by this answer.
func credentialFrom(a *oauth.Answer, p Provider, now time.Time) (c Credential, taught time.Time, err error) {
	account, claims, err := accountFrom(a.AccessToken, a.IDToken)
	if err = cmp.Or(a.Odd, err); err != nil {
		return Credential{}, a.Date, fmt.Errorf("the server's access token can't be used: %w", err)
	}
	life := lifetimeOf(a, claims, now)
	c = Credential{
		Issuer:       p.Issuer,
		ClientID:     p.ClientID,
		AccessToken:  NewSecret(a.AccessToken),
		RefreshToken: NewSecret(a.RefreshToken),
		IDToken:      NewSecret(a.IDToken),
		Expiry:       life.ends,
		Scopes:       p.Scopes, // RFC 6749 §5.1: an absent scope is the one that was asked for
		LastRefresh:  life.began,
		Account:      account,
	}
	if a.Scope != "" {
		c.Scopes = strings.Fields(a.Scope)
	}
	return c, life.taught, nil
}

// successor is c after a refresh: what the answer lacks keeps its old value. If
// the answer's access token is missing or can't be used, the successor carries
// the new refresh token beside the old access token, and why is not nil: the
// old refresh token is spent, so the new one is saved whatever came with it.
func (c Credential) successor(a *oauth.Answer, now time.Time) (next Credential, taught time.Time, why error) {
	next = c
	if a.RefreshToken != "" {
		next.RefreshToken = NewSecret(a.RefreshToken)
	}
	if a.AccessToken == "" && a.Odd == nil {
		return next, a.Date, fmt.Errorf("the answer to the refresh holds no access token")
	}
	id := a.IDToken
	if id == "" {
		id = c.IDToken.Reveal()
	}
	account, claims, err := accountFrom(a.AccessToken, id)
	if err = cmp.Or(a.Odd, err); err != nil {
		return next, a.Date, fmt.Errorf("the new access token can't be used: %w", err)
	}
	if c.Account.ID != "" && account.ID != "" && account.ID != c.Account.ID {
		return next, a.Date, fmt.Errorf("%w: the new access token is for account %s, this login is for %s",
			ErrOtherLogin, account.ID, c.Account.ID)
	}
	life := lifetimeOf(a, claims, now)
	next.AccessToken = NewSecret(a.AccessToken)
	next.Account = account.or(c.Account)
	next.Expiry, next.LastRefresh = life.ends, life.began
	if a.IDToken != "" {
		next.IDToken = NewSecret(a.IDToken)
	}
	if a.Scope != "" {
		next.Scopes = strings.Fields(a.Scope)
	}
	return next, life.taught, nil
}

// Token is an access token ready for use. It is a small value: copy it freely.
type Token struct {
	AccessToken Secret
	AccountID   string    // for the header chatgpt-account-id; empty where the login has none
	Expiry      time.Time // by the issuer's clock
	FedRAMP     bool      // the backend wants this said in a header
}

// String shows whose token it is and when it ends.
func (t Token) String() string {
	return fmt.Sprintf("token of %s, until %s", Account{ID: t.AccountID}.name(), t.Expiry.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue is for log/slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }
