package codexauth

import (
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
	return fmt.Sprintf("credential of %s at %s, until %s", c.Account.ID, c.Issuer, c.Expiry.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue is for log/slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// credentialFrom makes a credential of the answer to a sign-in. now is the
// local clock; Expiry is in the issuer's.
func credentialFrom(a *oauth.Answer, issuer, clientID string, asked []string, now time.Time) (Credential, error) {
	account, claims, err := accountFrom(a.AccessToken, a.IDToken)
	if err != nil {
		return Credential{}, fmt.Errorf("the server's access token can't be used: %w", err)
	}
	c := Credential{
		Issuer:       issuer,
		ClientID:     clientID,
		AccessToken:  NewSecret(a.AccessToken),
		RefreshToken: NewSecret(a.RefreshToken),
		IDToken:      NewSecret(a.IDToken),
		Expiry:       expiry(a, claims, now),
		Scopes:       asked, // RFC 6749 §5.1: an absent scope is the one that was asked for
		LastRefresh:  serverNow(a.Date, now),
		Account:      account,
	}
	if a.Scope != "" {
		c.Scopes = strings.Fields(a.Scope)
	}
	return c, nil
}

// successor is c after a refresh: what the answer lacks keeps its old value. If
// the answer's access token is missing or can't be used, the successor carries
// the new refresh token beside the old access token, and why is not nil: the
// old refresh token is spent, so the new one is saved whatever came with it.
func (c Credential) successor(a *oauth.Answer, now time.Time) (next Credential, why error) {
	next = c
	if a.RefreshToken != "" {
		next.RefreshToken = NewSecret(a.RefreshToken)
	}
	if a.AccessToken == "" {
		return next, fmt.Errorf("the answer to the refresh holds no access token")
	}
	id := a.IDToken
	if id == "" {
		id = c.IDToken.Reveal()
	}
	account, claims, err := accountFrom(a.AccessToken, id)
	if err != nil {
		return next, fmt.Errorf("the new access token can't be used: %w", err)
	}
	if c.Account.ID != "" && account.ID != c.Account.ID {
		return next, fmt.Errorf("%w: the new access token is for account %s, this login is for %s",
			ErrOtherLogin, account.ID, c.Account.ID)
	}
	next.AccessToken = NewSecret(a.AccessToken)
	next.Account = account.or(c.Account)
	next.Expiry = expiry(a, claims, now)
	next.LastRefresh = serverNow(a.Date, now)
	if a.IDToken != "" {
		next.IDToken = NewSecret(a.IDToken)
	}
	if a.Scope != "" {
		next.Scopes = strings.Fields(a.Scope)
	}
	return next, nil
}

// expiry is the earlier of expires_in and the token's own exp, by the issuer's clock.
func expiry(a *oauth.Answer, claims oauth.Claims, now time.Time) time.Time {
	server := serverNow(a.Date, now)
	byAnswer := server.Add(a.ExpiresIn)
	switch {
	case a.ExpiresIn == 0 && claims.Expiry.IsZero():
		return server.Add(defaultLife)
	case a.ExpiresIn == 0:
		return claims.Expiry
	case claims.Expiry.IsZero() || byAnswer.Before(claims.Expiry):
		return byAnswer
	}
	return claims.Expiry
}

func serverNow(date, now time.Time) time.Time {
	if date.IsZero() {
		return now.Round(0)
	}
	return date
}

// Token is an access token ready for use. It is a small value: copy it freely.
type Token struct {
	AccessToken Secret
	AccountID   string    // for the header chatgpt-account-id
	Expiry      time.Time // by the issuer's clock
	FedRAMP     bool      // the backend wants this said in a header
}

// String shows whose token it is and when it ends.
func (t Token) String() string {
	return fmt.Sprintf("token of %s, until %s", t.AccountID, t.Expiry.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue is for log/slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }
