package codexauth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// For programs that look for what is wrong, such as `codexauth doctor`. Nothing here
// changes anything, and nothing asks the network.

// RescuePlace is a directory in which a new credential is put that the store
// does not take, and in which it is looked for.
type RescuePlace struct {
	Dir string
	// Files are the paths of the credentials of the Manager's key that wait there to be
	// put into the store. With nil, the next rotation picks it up: it follows what is
	// stored now. [ErrOtherLogin]: it is of another login than the stored one, perhaps
	// another store's. [ErrLost]: it is this login's, and does not follow what is
	// stored. Any other error is why it can't be read.
	Files map[string]error
	// Err is why the directory is not used: others can read or replace it, it
	// can't be read, or the place that it would be made in is missing. It is nil
	// for one that will be made when it is needed.
	Err error
}

// RescuePlaces looks for rescue files, best place first. A Manager with a Lessor
// has none.
func (m *Manager) RescuePlaces(ctx context.Context) []RescuePlace {
	k, err := m.kept()
	if err != nil {
		return nil
	}
	return k.lookForRescues(ctx)
}

func (k *keeper) lookForRescues(ctx context.Context) []RescuePlace {
	stored, _ := k.load(ctx) // without it nothing fits
	var places []RescuePlace
	for _, p := range k.placesFor(stored) {
		place := RescuePlace{Dir: p.dir, Files: map[string]error{}}
		files, err := k.cfg.filesIn(p)
		if place.Err = err; err == nil {
			place.Err = p.usable()
		}
		for _, f := range files {
			place.Files[f.path] = k.examine(f, stored)
		}
		if p.remote && len(files) == 0 {
			continue // most likely a directory of the other machine's
		}
		places = append(places, place)
	}
	return places
}

// usable reports why nothing can be put into a place, without making it.
func (p rescuePlace) usable() error {
	if p.shared && strangers(p.dir) {
		return nil // another name is used
	}
	if _, err := os.Lstat(p.dir); errors.Is(err, fs.ErrNotExist) {
		_, err := os.Stat(p.base)
		return err
	}
	return nil
}

// examine is what RescuePlace.Files says of a file.
func (k *keeper) examine(f rescueFile, stored *record) error {
	if stored != nil && slices.Contains(k.arrivalFiles(stored), f) {
		_, err := k.readRescue(f.path)
		return err
	}
	if f.login != "" && (stored == nil || f.login != hashed(stored.Login)) {
		return ErrOtherLogin // sealed with a key that nobody has named, perhaps
	}
	rescued, err := k.readRescue(f.path)
	switch {
	case err != nil:
		return err
	case stored == nil || rescued.Login != stored.Login:
		return ErrOtherLogin
	case !rescued.outdoes(stored):
		return ErrLost
	}
	return nil
}

// Holds reports whether any of the refresh tokens that were found elsewhere is this
// login's: the current one, or one that is known to be spent. Whoever else uses either
// will end the login.
func (m *Manager) Holds(ctx context.Context, refreshTokens ...Secret) (current, spent bool, err error) {
	k, err := m.kept()
	if err != nil {
		return false, false, err
	}
	rec, err := k.load(ctx)
	if err != nil {
		return false, false, err
	}
	for _, token := range refreshTokens {
		fingerprint := token.fingerprint()
		current = current || fingerprint != "" && rec.fingerprint() == fingerprint
		spent = spent || rec.hasSpent(fingerprint)
	}
	return current, spent, nil
}
