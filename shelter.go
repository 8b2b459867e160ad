package codexauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/oauth"
	"codexauth/internal/private"
)

// What a save needs is taken before the token leaves: a full disk, a quota or a
// limit that somebody else runs into meanwhile must not cost the answer.

const (
	// spillCopies is in how many places a rescue file is put: one of them may lie on
	// the file system that has just failed, too.
	spillCopies = 2
	// leastRoom is what is set aside for a record, unless twice its size is more.
	leastRoom = 64 << 10
	// memoryForAnswer is what must be free for an answer to be read and stored: the
	// heap grows by 4 MiB at a time.
	memoryForAnswer = 8 << 20
	// staleShelter is the age from which reserved room has no owner any more.
	staleShelter = 2 * time.Hour
)

// prepare takes what the save of rec's successor needs: room in the store for it
// and for the note, places for rescue files, and the memory for the largest answer.
func (hd *holding) prepare(ctx context.Context, rec *record) error {
	if hd.shelters == nil {
		hd.shelters = hd.k.shelters(roomFor(hd.claim.Record()))
	}
	if err := reserve(ctx, hd.claim, 2); err != nil {
		return err
	}
	return hd.k.rehearse(rec)
}

// notWritable says that nothing was sent, because nothing could be saved.
func notWritable(err error) error {
	if errors.Is(err, ErrLost) {
		return err
	}
	return fmt.Errorf("nothing was sent, because what comes back could not be saved: %w", err)
}

// rehearse encodes and seals what is as large as a successor can be, with memory to
// spare for the answer's own way through the program and the runtime's books. A
// process that has not the memory, or the key, for that fails here and not after the
// token is spent.
func (k *keeper) rehearse(rec *record) error {
	giveBack, err := spareMemory(memoryForAnswer)
	if err != nil {
		return err
	}
	defer giveBack()
	largest := *rec
	c := *rec.Credential
	c.AccessToken = strings.Repeat("x", 2*oauth.MaxToken) // a new access token and a new ID token
	largest.Credential = &c
	_, err = k.cfg.encode(&largest)
	return err
}

// roomFor is how much is set aside for a successor of a record that is stored as data.
func roomFor(data []byte) int { return max(leastRoom, 2*len(data)) }

// shelter is a place for a rescue file that was proved to be one.
type shelter struct {
	dir  string
	room *atomicfile.Room
	temp bool // dir is in the temporary directory, where nothing is left that is empty
}

// shelters proves the best places for rescue files, on different file systems
// where it can, and sets room aside in them. There may be none: then the store is
// all there is.
func (k *keeper) shelters(size int) (found []*shelter) {
	for _, place := range spread(k.cfg.rescuePlaces()) {
		if len(found) == spillCopies {
			break
		}
		s, err := place.shelter(size)
		if errors.Is(err, fs.ErrNotExist) { // another process may just have removed it, empty
			s, err = place.shelter(size)
		}
		if err != nil {
			k.log.Debug("not a place for a rescue file", "dir", place.dir, "reason", err)
			continue
		}
		found = append(found, s)
	}
	return found
}

// shelter makes a shelter of a place, with room for size bytes.
func (p rescuePlace) shelter(size int) (*shelter, error) {
	s, err := p.make()
	if err != nil {
		return nil, err
	}
	if s.room, err = atomicfile.Reserve(s.dir, size); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// spread puts next to the first place the best one on another file system.
func spread(places []rescuePlace) []rescuePlace {
	for i := 1; i < len(places); i++ {
		if !sameFileSystem(places[0].nearest(), places[i].nearest()) {
			other := places[i]
			return slices.Insert(slices.Delete(places, i, i+1), 1, other)
		}
	}
	return places
}

// nearest is a directory that is there, on the file system of the place.
func (p rescuePlace) nearest() string {
	for _, dir := range []string{p.dir, filepath.Dir(p.dir)} {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return p.base
}

// make makes the directory of a place if it is missing. Where somebody else has
// one of its name, one of a name that nobody could foresee takes its place; the
// note tells it to others.
func (p rescuePlace) make() (*shelter, error) {
	if _, err := os.Stat(p.base); err != nil {
		return nil, err
	}
	if p.shared && strangers(p.dir) {
		dir, err := os.MkdirTemp(filepath.Dir(p.dir), filepath.Base(p.dir)+"-")
		return &shelter{dir: dir, temp: true}, err
	}
	_, err := os.Lstat(p.dir)
	if missing := errors.Is(err, fs.ErrNotExist); missing {
		err = os.MkdirAll(filepath.Dir(p.dir), 0o700)
		if err == nil {
			err = private.MkdirAll(p.dir)
		}
		if err == nil {
			err = atomicfile.SyncDir(filepath.Dir(p.dir))
		}
		return &shelter{dir: p.dir, temp: p.shared}, err
	}
	return &shelter{dir: p.dir, temp: p.shared}, private.CheckDir(p.dir)
}

// release gives back what was not used.
func (s *shelter) release() {
	if s.room != nil {
		s.room.Release()
	}
	if s.temp {
		os.Remove(s.dir) // not if there is anything in it
	}
}

// close gives the shelters of a rotation back that is over.
func closeShelters(shelters []*shelter) {
	for _, s := range shelters {
		atomicfile.Clean(s.dir, staleShelter)
		s.release()
	}
}

// spill writes next to rescue files and returns their paths.
func (k *keeper) spill(next *record, shelters []*shelter) (paths []string, err error) {
	data, err := k.cfg.encode(next)
	if err != nil {
		return nil, err
	}
	err = fs.ErrNotExist
	name := rescueName(next)
	put := func(s *shelter) {
		path := filepath.Join(s.dir, name)
		var writeErr error
		if s.room != nil && !s.room.Used() {
			writeErr = s.room.Replace(path, data)
		} else {
			writeErr = atomicfile.Write(path, data, atomicfile.Options{})
		}
		if writeErr == nil {
			paths = append(paths, path)
		} else {
			err = writeErr
		}
	}
	for _, s := range shelters {
		put(s)
	}
	for _, place := range k.cfg.rescuePlaces() { // one may have become usable
		if len(paths) == 0 {
			if s, makeErr := place.make(); makeErr == nil {
				put(s)
			} else {
				err = makeErr
			}
		}
	}
	if len(paths) > 0 {
		err = nil
	}
	return paths, err
}

func directories(shelters []*shelter) (dirs []string) {
	for _, s := range shelters {
		dirs = append(dirs, s.dir)
	}
	return dirs
}
