// Package run is one run of the command line, and what every command needs of it: the
// flags that all take, the settings they come to, the login's place, how an error is
// reported, and how signals end it. What one command alone needs is with that command.
package run

import (
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/config"
	"codexauth/internal/place"
)

// Run is one run of the command line.
type Run struct {
	ui.Terminal
	Flags Flags
	// Said is every setting of this run, once they are known.
	Said *config.Settings
	// Profile is the one that the run is about, where the file does not say so.
	Profile string
	// Leased says that a broker has the login.
	Leased bool
	// OvertakeAfter is for tests; 0 means the usual time.
	OvertakeAfter time.Duration
	// OnEvent hears what happens to the login, in a command that stays.
	OnEvent func(codexauth.Event)
	// OnClaim hears how long a store took to give a claim, likewise.
	OnClaim func(profile string, took time.Duration)
	// HeedSignals makes signals end the run's context from now on; see UntilSignal.
	HeedSignals func()

	// ownKey: its store has a key of its own, and takes no --identity-file.
	ownKey bool
	// opened are the places whose stores are closed at the end.
	opened []*place.Place
	warned bool // of a password on the command line
}

// CloseAtEnd has the stores of places closed when the run is over.
func (r *Run) CloseAtEnd(places ...*place.Place) { r.opened = append(r.opened, places...) }

// CloseStores closes the connections to the servers that stores are kept on.
func (r *Run) CloseStores() {
	for _, p := range r.opened {
		p.Close()
	}
}
