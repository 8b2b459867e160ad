package place

import (
	"cmp"
	"fmt"

	"codexauth"
	"codexauth/internal/config"
)

// Of is the place that settings name, with nothing opened yet.
func Of(s *config.Settings) *Place {
	return &Place{
		Profile:  cmp.Or(s.Get(config.Profile).Value, codexauth.DefaultKey),
		Provider: codexauth.Provider{Issuer: s.Get(config.Issuer).Value, ClientID: s.Get(config.ClientID).Value},
	}
}

// OpenAs opens the store that settings name.
func (p *Place) OpenAs(s *config.Settings, kinds []Kind) error {
	store := s.Get(config.Store)
	err := p.Open(store.Value, kinds)
	if err != nil && store.Source == config.FromFile {
		err = fmt.Errorf("the store of the settings in %s: %w", s.File.Path, err)
	}
	return err
}

// Chosen refuses settings that choose a profile of a broker's: in the file a profile
// may be the name of a broker, but whoever names it on the spot means a login.
func (p *Place) Chosen(s *config.Settings) error {
	if p.Broker != nil && s.Get(config.Store).Source != config.FromFile && s.Get(config.Profile).Source != config.FromFile {
		return p.OnlyLogin()
	}
	return nil
}
