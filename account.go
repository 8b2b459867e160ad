package codexauth

import (
	"cmp"

	"codexauth/internal/oauth"
)

// Account is what a token says about whose it is. Nobody has verified it: the
// token came over TLS from its issuer, and only the backend's word counts.
type Account struct {
	ID      string // chatgpt_account_id, which the backend wants in addition to the token; empty if there is none
	Email   string
	Plan    string // such as "plus"; any value is kept
	UserID  string
	FedRAMP bool
}

// ParseAccount reads the account out of an access or id token (a JWT, RFC 7519,
// with the claims under https://api.openai.com/auth). Its error says why the token
// is not a JWT, or that it names no account.
func ParseAccount(token string) (Account, error) {
	c, err := oauth.ParseClaims(token)
	if err != nil {
		return Account{}, err
	}
	if c.AccountID == "" {
		return Account{}, oauth.ErrNoAccountID
	}
	return accountOf(c), nil
}

func accountOf(c oauth.Claims) Account {
	return Account{ID: c.AccountID, Email: c.Email, Plan: c.Plan, UserID: c.UserID, FedRAMP: c.FedRAMP}
}

// accountFrom merges what the access token says with what the id token adds,
// and what else the access token claims. A token that names no account is as good
// as any: accounts without a workspace have such.
func accountFrom(access, id string) (Account, oauth.Claims, error) {
	claims, err := oauth.ParseClaims(access)
	if err != nil {
		return Account{}, claims, err
	}
	a := accountOf(claims)
	if idClaims, err := oauth.ParseClaims(id); err == nil {
		a = a.or(accountOf(idClaims))
	}
	return a, claims, nil
}

// or fills what a does not say from b, if b is about the same account.
func (a Account) or(b Account) Account {
	if a.ID != "" && b.ID != "" && a.ID != b.ID {
		return a
	}
	first := func(x, y string) string {
		if x != "" {
			return x
		}
		return y
	}
	return Account{
		ID: first(a.ID, b.ID), Email: first(a.Email, b.Email), Plan: first(a.Plan, b.Plan),
		UserID: first(a.UserID, b.UserID), FedRAMP: a.FedRAMP || b.FedRAMP,
	}
}

// same reports whether a and b are one account, as far as they say: two tokens
// without an account id are told apart by their users.
func (a Account) same(b Account) bool {
	switch {
	case a.ID != "" && b.ID != "":
		return a.ID == b.ID
	case a.UserID != "" && b.UserID != "":
		return a.UserID == b.UserID
	}
	return a.Email != "" && a.Email == b.Email
}

// name is what tells an account from others, for a message.
func (a Account) name() string {
	return cmp.Or(a.ID, a.Email, a.UserID, "(its tokens name none)")
}
