package codexauth

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// For programs that look for what is wrong, such as `codexauth doctor`. Nothing here
// changes anything, and nothing asks the network.

// RescuePlace is a directory in which a new credential is put that the store
// does not take, and in which it is looked for.
type RescuePlace struct {
	Dir   string
	Files []RescueFile // of the Manager's key
	// Err is why the directory is not used: others can read or replace it, it
	// can't be read, or the place that it would be made in is missing. It is nil
	// for one that will be made when it is needed.
	Err error
}

// RescueFile is a credential that waits to be put into the store.
type RescueFile struct {
	Path string
	// Fits: it follows what is stored now, so the next rotation picks it up.
	Fits bool
	// Foreign: it is of another login than the stored one, perhaps another store's.
	Foreign bool
	Err     error // why it can't be read
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
		place := RescuePlace{Dir: p.dir}
		files, err := k.cfg.filesIn(p)
		if place.Err = err; err == nil {
			place.Err = p.usable()
		}
		for _, f := range files {
			place.Files = append(place.Files, k.examine(f, stored))
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

func (k *keeper) examine(f rescueFile, stored *record) RescueFile {
	file := RescueFile{Path: f.path}
	if f.login != "" && (stored == nil || f.login != hashed(stored.Login)) {
		file.Foreign = true // sealed with a key that nobody has named, perhaps
		return file
	}
	rescued, err := k.readRescue(f.path)
	file.Err = err
	if err == nil {
		file.Foreign = stored == nil || rescued.Login != stored.Login
		file.Fits = !file.Foreign && rescued.outdoes(stored)
	}
	return file
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
