package etcd

import (
	"testing"

	"codexauth"
	"codexauth/internal/lostclaim"
)

// TestOverwrites: a holder whose lease ended replaces only what it may.
func TestOverwrites(t *testing.T) {
	places := map[string]string{}
	lostclaim.Run(t, func(t *testing.T, name string) codexauth.Store {
		if places[name] == "" {
			places[name] = newAddress(t)
		}
		return open(t, places[name])
	}, func(t *testing.T, c codexauth.Claim) { expire(t, c.(*claim)) })
}
