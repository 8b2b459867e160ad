package postgres

import (
	"net/url"
	"testing"

	"codexauth"
	"codexauth/internal/lostclaim"
)

// TestOverwrites: a holder whose session was ended replaces only what it may.
func TestOverwrites(t *testing.T) {
	places := map[string]*url.URL{}
	lostclaim.Run(t, func(t *testing.T, name string) codexauth.Store {
		if places[name] == nil {
			places[name] = newURL(t)
		}
		return open(t, places[name])
	}, func(t *testing.T, c codexauth.Claim) { terminate(t, c.(*claim)) })
}
