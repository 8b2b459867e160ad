// Package oauth2source lends a login to programs that expect an
// [oauth2.TokenSource]. It is for output only: the refresh token stays with the
// Manager, and nothing here refreshes or stores.
package oauth2source

import (
	"context"

	"golang.org/x/oauth2"

	"codexauth"
)

// New returns a TokenSource on m that waits for a token until ctx ends. Each
// call asks the Manager, which is cheap: don't wrap it in an
// oauth2.ReuseTokenSource, which would keep a token after Invalidate.
//
// The account id is the token's extra "account_id".
func New(ctx context.Context, m *codexauth.Manager) oauth2.TokenSource {
	return &source{ctx, m}
}

type source struct {
	ctx context.Context
	m   *codexauth.Manager
}

func (s *source) Token() (*oauth2.Token, error) {
	t, err := s.m.Token(s.ctx)
	if err != nil {
		return nil, err
	}
	token := &oauth2.Token{AccessToken: t.AccessToken.Reveal(), TokenType: "Bearer", Expiry: t.Expiry}
	return token.WithExtra(map[string]any{"account_id": t.AccountID}), nil
}
