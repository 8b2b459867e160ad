package codexauth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"codexauth/internal/private"
	"codexauth/internal/process"
)

// What somebody may ask who looks for what is wrong. Nothing here changes
// anything, and nothing asks the network.

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
	Err  error // why it can't be read
}

// RescuePlaces looks for rescue files, best place first.
func (m *Manager) RescuePlaces(ctx context.Context) []RescuePlace {
	stored, _ := m.load(ctx) // without it nothing fits
	var places []RescuePlace
	for _, dir := range m.cfg.rescueDirs() {
		place := RescuePlace{Dir: dir}
		var names []string
		names, place.Err = m.rescueNames(dir)
		for _, name := range names {
			file := RescueFile{Path: filepath.Join(dir, name)}
			rescued, err := m.readRescue(file.Path)
			file.Err = err
			file.Fits = err == nil && stored != nil && rescued.follows(stored)
			place.Files = append(place.Files, file)
		}
		places = append(places, place)
	}
	return places
}

// rescueNames lists the names of this key's rescue files in dir.
func (m *Manager) rescueNames(dir string) (names []string, err error) {
	err = private.CheckDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err := os.Stat(filepath.Dir(filepath.Dir(dir))) // as in makeRescueDir
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), m.cfg.rescuePrefix()) && strings.HasSuffix(e.Name(), ".record") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Holds reports whether a refresh token that was found elsewhere is this login's:
// the current one, or one that is known to be spent. Whoever else uses either
// will end the login.
func (m *Manager) Holds(ctx context.Context, refreshToken Secret) (current, spent bool, err error) {
	rec, err := m.load(ctx)
	if err != nil || refreshToken.IsZero() {
		return false, false, err
	}
	fingerprint := refreshToken.fingerprint()
	return rec.fingerprint() == fingerprint, rec.hasSpent(fingerprint), nil
}

// CanTellDead reports whether this system tells for certain that a process of
// its own has ended. Then a refresh that died is taken over at once; elsewhere it
// is waited out.
func CanTellDead() bool { return process.Machine() != "" && process.Start(os.Getpid()) != "" }
