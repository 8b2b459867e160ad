package place

import (
	"context"
	"log/slog"
	"time"

	"codexauth"
)

// heard is the store, with a log that hears of its claims. A Manager logs its own.
func (p *Place) heard() codexauth.Store {
	if p.Log == nil {
		return p.Store
	}
	return &heardStore{p.Store, p.Log}
}

type heardStore struct {
	NamedStore
	log *slog.Logger
}

func (s *heardStore) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	began := time.Now()
	claim, err := s.NamedStore.Claim(ctx, key)
	if err != nil {
		s.log.Debug("the record could not be claimed", "key", key, "waited", time.Since(began).Round(time.Microsecond), "reason", err)
		return nil, err
	}
	s.log.Debug("claimed the record", "key", key, "waited", time.Since(began).Round(time.Microsecond))
	return claim, nil
}

// OneMachine passes on what the store says of itself.
func (s *heardStore) OneMachine() bool {
	one, ok := s.NamedStore.(interface{ OneMachine() bool })
	return ok && one.OneMachine()
}
