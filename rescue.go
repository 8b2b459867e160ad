package codexauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
	"codexauth/internal/reason"
	"codexauth/internal/statedir"
	"codexauth/internal/sysfail"
)

// A rescue file holds a successor that the store did not take: the server has
// spent the old token, so the new one must survive somewhere. Its name says whose
// it is (profile, login, seq) and is unique for each rotation; it is looked for
// under every claim, and goes into the store if it follows what is stored. Only
// its own login removes it, and only once the store is as new: several stores of
// one user share these places, and one of them must not clear away another's.

// ErrRescueUnreadable: a new token of this login may wait in a rescue file that
// can't be read now. The stored refresh token is then spent, so nothing is sent.
// An explicit [Manager.Refresh] sends it all the same.
var ErrRescueUnreadable = errors.New("a rescued login may wait where it can't be read")

// noRecord is why nobody is signed in where there is no record.
func (k *keeper) noRecord() error {
	for _, place := range k.cfg.rescuePlaces() {
		files, _ := k.cfg.filesIn(place)
		for _, f := range files {
			return &awayError{key: k.cfg.Key, path: f.path}
		}
	}
	return k.signedOut()
}

// awayError is ErrSignedOut where a rescued login waits for its store, with the rescue file's path.
type awayError struct{ key, path string }

func (e *awayError) Error() string {
	return fmt.Sprintf("profile %q: a rescued login waits in %s, and its store is not here: it was moved, or its volume is not mounted", e.key, e.path)
}

func (e *awayError) Is(target error) bool {
	return target == reason.ErrStoreAway || target == ErrSignedOut
}

// rescuePlace is a directory where rescue files may be.
type rescuePlace struct {
	dir    string
	base   string // must be there before dir is made: else a volume is not mounted
	shared bool   // anybody can make a directory of that name
	remote bool   // named by a note that another machine wrote
}

func placeIn(dir string) rescuePlace {
	return rescuePlace{dir: dir, base: filepath.Dir(filepath.Dir(dir))}
}

// rescuePlaces returns where rescue files may be, best first. None is near the
// store: its file system may be the one that fails, and what is written below a
// volume that went away is hidden when it comes back. The cache comes after the
// state: people empty it when a disk is full.
func (c *Config) rescuePlaces() (places []rescuePlace) {
	if c.RescueDir != "" {
		return []rescuePlace{placeIn(absolute(c.RescueDir))}
	}
	const name = "codexauth-rescue"
	if state, err := statedir.Dir(); err == nil {
		place := placeIn(filepath.Join(state, name))
		if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(state, home+string(filepath.Separator)) {
			place.base = home // ~/.local may have to be made, too
		}
		places = append(places, place)
	}
	if cache, err := statedir.CacheDir(); err == nil {
		places = append(places, placeIn(filepath.Join(cache, name)))
	}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) {
		places = append(places, placeIn(filepath.Join(runtime, name)))
	}
	temp := placeIn(filepath.Join(absolute(os.TempDir()), name+"-"+private.Me()))
	temp.shared = true
	return append(places, temp)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// placesFor adds to this process's places those that rec names, in its note or for a
// sign-in: who wrote that may have had another HOME or TMPDIR.
func (k *keeper) placesFor(rec *record) []rescuePlace {
	places := k.cfg.rescuePlaces()
	add := func(dirs []string, remote bool) {
		for _, dir := range dirs {
			known := slices.ContainsFunc(places, func(p rescuePlace) bool { return p.dir == dir })
			if !known && filepath.IsAbs(dir) {
				place := placeIn(dir)
				place.remote = remote
				places = append(places, place)
			}
		}
	}
	if rec != nil && rec.Note != nil {
		add(rec.Note.Places, !rec.Note.here())
	}
	if rec != nil && rec.Arriving != nil {
		add(rec.Arriving.Places, true)
	}
	return places
}

// rescueFile is what a rescue file's place and name say of it.
type rescueFile struct {
	path  string
	login string // hash of the login id; "" for a name of an older version, which does not tell
	seq   uint64
	time  time.Time
}

const rescueSuffix = ".record"

// hashed makes a part of a file's name of what must not stand there.
func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// arrivalPrefix begins the name of a file in which a new login is. Versions that know of
// no announcement would remove the file, if they found it by its profile.
const arrivalPrefix = "login-"

// rescueName is a new name for a rescue file of rec. What a refresh brought has one that
// begins as older versions' names do, which put it in as well.
func rescueName(rec *record) string {
	name := fmt.Sprintf("%s-%s-%d-%s%s", hashed(rec.Key), hashed(rec.Login), rec.Seq, rand.Text(), rescueSuffix)
	if rec.Seq == firstSeq {
		return arrivalPrefix + name
	}
	return name
}

func (c *Config) parseRescueName(name string) (f rescueFile, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, arrivalPrefix), hashed(c.Key)+"-")
	rest, suffixed := strings.CutSuffix(rest, rescueSuffix)
	parts := strings.Split(rest, "-")
	if !ok || !suffixed || len(parts) != 1 && len(parts) != 3 {
		return f, false
	}
	if len(parts) == 1 {
		return f, true
	}
	seq, err := strconv.ParseUint(parts[1], 10, 64)
	return rescueFile{login: parts[0], seq: seq}, err == nil
}

// mayBeOf reports whether f may hold a later state of rec's login.
func (f rescueFile) mayBeOf(rec *record) bool {
	return f.login == "" || f.login == hashed(rec.Login) && f.seq > rec.Seq
}

// filesIn lists the key's rescue files in a place. A place that is not there has
// none, nor has one in a shared directory that is somebody else's.
func (c *Config) filesIn(p rescuePlace) (files []rescueFile, err error) {
	if p.shared && strangers(p.dir) {
		return nil, nil
	}
	err = private.CheckDir(p.dir)
	if sysfail.Missing(err) {
		return nil, nil
	}
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(p.dir)
	}
	for _, entry := range entries {
		f, ok := c.parseRescueName(entry.Name())
		if !ok {
			continue
		}
		if info, err := entry.Info(); err == nil {
			f.time = info.ModTime()
		}
		f.path = filepath.Join(p.dir, entry.Name())
		files = append(files, f)
	}
	return files, err
}

// strangers reports whether dir, in a directory that all users share, is another
// user's.
func strangers(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil {
		return false
	}
	return private.Foreign(dir, info)
}

// rescueFiles lists the files that may hold a later state of rec's login. err is
// about a place of this machine that can't be looked into.
func (k *keeper) rescueFiles(rec *record) (files []rescueFile, err error) {
	for _, place := range k.placesFor(rec) {
		here, placeErr := k.cfg.filesIn(place)
		files = append(files, here...)
		if placeErr != nil && !place.remote {
			err = andAlso(err, placeErr)
		}
	}
	return files, err
}

// rescued reports whether there may be a newer state of rec to pick up.
func (k *keeper) rescued(rec *record) bool {
	files, _ := k.rescueFiles(rec)
	return slices.ContainsFunc(files, func(f rescueFile) bool { return f.mayBeOf(rec) })
}

// waiting is the path of a rescue file that holds a later state of rec's login.
func (k *keeper) waiting(rec *record) string {
	files, _ := k.rescueFiles(rec)
	for _, f := range files {
		if f.login != "" && f.mayBeOf(rec) || rec.Arriving != nil && f.login == hashed(rec.Arriving.Login) {
			return f.path
		}
	}
	return ""
}

// pickUp brings a rescued successor of rec into the store and returns it, or
// rec itself. Rescue files of this login that are overtaken are removed. If one
// can't be read that may hold the successor, the error wraps ErrRescueUnreadable,
// unless force is set.
func (k *keeper) pickUp(ctx context.Context, claim Claim, rec *record, force bool) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // the rescue file is safe: no need to insist
	defer cancel()
	files, placeErr := k.rescueFiles(rec)
	failed := map[rescueFile]error{}
	for _, f := range files {
		next, err := k.pickUpFile(ctx, claim, rec, f)
		if errors.Is(err, ErrRescueUnreadable) {
			failed[f] = err
			continue
		}
		if err != nil {
			return nil, err
		}
		rec = next
	}
	var unread error
	for f, err := range failed {
		if f.login != "" && f.mayBeOf(rec) || f.login == "" && rec.announces(f) { // a readable copy may have been put back since
			unread = err
		}
	}
	// Nothing is rescued but what a note announced.
	if unread == nil && placeErr != nil && rec.unanswered() != nil {
		unread = unreadable(placeErr)
	}
	if unread != nil && rec.SignedOut == nil && !force {
		return nil, fmt.Errorf("profile %q: %w", k.cfg.Key, unread)
	}
	if unread != nil || placeErr != nil {
		k.log.Warn("rescue files can't be read", "key", k.cfg.Key, "error", errors.Join(unread, placeErr))
	}
	return rec, nil
}

// andAlso joins two errors on one line.
func andAlso(err, other error) error {
	if err == nil {
		return other
	}
	return fmt.Errorf("%w; %w", err, other)
}

// inFile names the file that err is about, unless err does.
func inFile(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func unreadable(err error) error {
	return fmt.Errorf("%w, so nothing was sent: %w", ErrRescueUnreadable, err)
}

// pickUpFile is pickUp for one file.
func (k *keeper) pickUpFile(ctx context.Context, claim Claim, rec *record, f rescueFile) (*record, error) {
	if f.login != "" && f.login != hashed(rec.Login) {
		return rec, nil // another store's
	}
	if f.login != "" && f.seq <= rec.Seq {
		k.unspill([]string{f.path})
		return rec, nil
	}
	rescued, err := k.readRescue(f.path)
	switch {
	case sysfail.Missing(err): // its holder has saved it
		return rec, nil
	case err != nil && f.login == "" && !rec.announces(f):
		k.log.Warn("a rescue file can't be read", "file", f.path, "error", err)
		return rec, nil
	case err != nil:
		return nil, unreadable(inFile(f.path, err))
	case rescued.Login != rec.Login:
		return rec, nil
	case rescued.outdoes(rec):
		s := &saving{k: k, claim: claim, spent: rec, next: rescued, rescue: []string{f.path}}
		saved, err := s.untilEnd(ctx)
		if err == nil {
			k.log.Warn("a rescued credential was put back into the store", "key", k.cfg.Key, "seq", rescued.Seq)
		}
		return saved, err
	case rescued.Seq <= rec.Seq:
		k.unspill([]string{f.path})
	}
	return rec, nil
}

// announces reports whether f, which does not tell whose it is, may hold the
// answer to the refresh that r's note announced.
func (r *record) announces(f rescueFile) bool {
	n := r.unanswered()
	return n != nil && f.time.After(n.Since.Add(-time.Minute))
}

func (k *keeper) readRescue(path string) (*record, error) {
	data, err := atomicfile.Read(path, maxRecord, func(info fs.FileInfo) error { return private.CheckFile(path, info) })
	if err != nil {
		return nil, err
	}
	rec, err := k.cfg.decode(data)
	if err == nil && rec.Credential == nil {
		err = ErrDamaged
	}
	return rec, err
}

// outdoes reports whether r, a rescued state, is to replace cur, the stored one:
// it follows it, or is of a state so much later that cur came from a backup.
func (r *record) outdoes(cur *record) bool {
	return r.follows(cur) || r.Login == cur.Login && cur.Credential != nil && r.Seq > cur.Seq+1
}

// follows reports whether r is what a refresh made of cur: the same login, one
// step on, and cur's refresh token is the one that was spent (or it was kept).
func (r *record) follows(cur *record) bool {
	if r.Login != cur.Login || r.Seq != cur.Seq+1 || cur.Credential == nil {
		return false
	}
	return r.Credential.RefreshToken == cur.Credential.RefreshToken ||
		slices.Contains(r.Spent[:min(1, len(r.Spent))], cur.fingerprint())
}

// dropRescues removes every rescue file of a login that has ended here, the ones
// that can't be read included.
func (k *keeper) dropRescues(ended *record) {
	files, _ := k.rescueFiles(ended)
	for _, f := range files {
		if f.login == "" {
			if rescued, err := k.readRescue(f.path); err != nil || rescued.Login != ended.Login {
				continue
			}
		} else if f.login != hashed(ended.Login) && (ended.Arriving == nil || f.login != hashed(ended.Arriving.Login)) {
			continue
		}
		k.unspill([]string{f.path})
	}
}
