package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/disk"
	"codexauth/internal/frame"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/seal"
	"codexauth/store/file"
	"codexauth/store/keyring"
)

func (d *Examination) storeChecks() []check {
	checks := []check{
		{"store", d.checkStore},
		{"store_private", d.checkPrivate},
		{"store_writable", d.checkWritable},
		{"store_file_system", d.checkFileSystem},
		{"claim", d.checkClaim},
		{"sealing", d.checkSealing},
		{"profiles", d.checkProfiles},
	}
	if d.Place.Store != nil && d.Place.Health != nil {
		checks = append(checks, check{d.kind(), d.checkHealth})
	}
	return checks
}

// kind is the kind of store, as its address begins.
func (d *Examination) kind() string {
	kind, _, _ := strings.Cut(cmp.Or(d.Place.Address, d.Store, "file:"), ":")
	return kind
}

// dir is the directory of a store in files, "" of any other.
func (d *Examination) dir() string {
	usual := file.DefaultDir
	switch kind := d.kind(); {
	case kind != "file" && kind != "keyring":
		return ""
	case d.Place.Store != nil:
		return d.Place.LockDir
	case kind == "keyring":
		usual = keyring.DefaultDir
	}
	_, dir, _ := strings.Cut(d.Store, ":")
	dir, _ = place.Directory(dir, usual)
	return dir
}

func (d *Examination) checkStore(ctx context.Context) finding {
	if errors.Is(d.openErr, codexauth.ErrStoreUnsafe) {
		return skipped("not opened: see store_private")
	}
	if d.openErr != nil {
		return d.storeFailure(ctx, d.openErr)
	}
	if d.Place.Broker != nil {
		if _, err := d.status(); err != nil {
			return d.storeFailure(ctx, err)
		}
		return okay("the broker at %s answers, and keeps the login", d.Place.Where())
	}
	keys, err := d.Place.Profiles(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = d.Place.Store.Load(ctx, d.Place.Profile)
		if err == nil || errors.Is(err, codexauth.ErrNotFound) {
			return okay("%s answers", d.Place.Store)
		}
	}
	if err != nil {
		return d.storeFailure(ctx, err)
	}
	return okay("%s, %s", d.Place.Store, ui.Count(len(keys), "profile"))
}

// storeFailure is a store that can't be used.
func (d *Examination) storeFailure(ctx context.Context, err error) finding {
	f := d.failure(ctx, err)
	if v, ok := verdict.OfBroker(err); ok {
		f.remedy = v.Hint
	}
	if f.remedy == "" || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errSlow) {
		f.remedy = "make the place that --store or CODEXAUTH_STORE names reachable, or name another one"
	}
	return f
}

func (d *Examination) noStore() finding {
	if d.Place.Broker != nil {
		return skipped("the broker keeps the login: run doctor where it runs")
	}
	return skipped("the store is not open")
}

// checkPrivate looks who else can read or replace what is stored in files.
func (d *Examination) checkPrivate(ctx context.Context) finding {
	dir := d.dir()
	if dir == "" {
		return skipped("the store is not a directory")
	}
	remedy := "restrict it and the files in it to this user (" + private.Remedy(dir, true) + ") or name another place with --store file:DIR; if other people can use this machine, sign in again: they may have copied the login"
	if errors.Is(d.openErr, codexauth.ErrStoreUnsafe) {
		return problem(remedy, "%v", d.openErr)
	}
	if d.Place.Store == nil {
		return d.noStore()
	}
	keys, _ := d.Place.Store.List(ctx)
	for _, key := range keys {
		if _, err := d.Place.Store.Load(ctx, key); errors.Is(err, codexauth.ErrStoreUnsafe) {
			return problem(remedy, "%v", err)
		}
	}
	return onTheWay(dir, private.Writable)
}

// onTheWay looks who can replace the store's directory, or one above it.
func onTheWay(dir string, writable func(string, fs.FileInfo) (string, error)) finding {
	for above := dir; above != filepath.Dir(above); above = filepath.Dir(above) {
		info, err := os.Stat(above)
		if err != nil {
			continue
		}
		// In a sticky directory nobody can rename what is another's.
		why, err := writable(above, info)
		if err != nil {
			return skipped("not examined: %v", err)
		}
		if why != "" && info.Mode()&os.ModeSticky == 0 {
			return warning("remove other users' right to write there: they could put another directory in the store's place",
				"%s %s", above, why)
		}
	}
	return okay("for this user alone")
}

// leastFree is much more than a store ever needs.
const leastFree = 4 << 20

func (d *Examination) checkWritable(context.Context) finding {
	dir := d.dir()
	if dir == "" {
		return skipped("every refresh checks it again, before anything is sent")
	}
	there := disk.Existing(dir)
	err := disk.Writable(there)
	if errors.Is(err, disk.ErrUnknown) {
		return skipped("this system can't tell without a write")
	}
	if err != nil {
		return problem("make it writable for this user, free space, or name another place with --store file:DIR: until then nothing is refreshed, so that no new token is lost",
			"%s can't be written: %v", there, err)
	}
	if free, known := disk.Free(there); known && free < leastFree {
		return warning("free some space", "only %d KiB are free in %s", free>>10, there)
	}
	if there != dir {
		return okay("%s will be made when somebody signs in", dir)
	}
	return okay("a file can be written in %s", dir)
}

func (d *Examination) checkFileSystem(context.Context) finding {
	dir := d.dir()
	if dir == "" {
		return skipped("the store is not a directory")
	}
	name, err := disk.Network(disk.Existing(dir))
	switch {
	case errors.Is(err, disk.ErrUnknown):
		return skipped("%v", err)
	case err != nil:
		return warning("", "the file system of %s can't be determined: %v", dir, err)
	case name != "":
		return warning("keep the store on a local disk (--store file:DIR); to share one login between machines, use a store that is made for it, such as postgres:",
			"%s is on a %s file system, where locks may not exclude and reads may be stale: either can cost the login", dir, name)
	}
	return d.checkLocks(dir)
}

// checkLocks looks whether locks exclude on a file system that should have them.
func (d *Examination) checkLocks(dir string) finding {
	err := lockfile.Excludes(disk.Existing(dir), d.Place.LockFile("rotating"))
	switch {
	case errors.Is(err, lockfile.ErrNoExclusion):
		return problem("keep the store on another file system (--store file:DIR): without locks two processes spend one refresh token, and the login is lost",
			"two descriptors had one lock at once on the file system of %s", dir)
	case errors.Is(err, errors.ErrUnsupported):
		return okay("a local file system")
	case err != nil:
		return warning("", "whether locks exclude on the file system of %s can't be determined: %v", dir, err)
	}
	return okay("a local file system, whose locks exclude")
}

// checkHealth looks at what only this kind of store has: a keyring, so far.
func (d *Examination) checkHealth(ctx context.Context) finding {
	if err := d.Place.Health(ctx); err != nil {
		return problem(verdict.OfKeyring(err).Hint, "%v", err)
	}
	return okay("it answers")
}

// A prober can tell whether a claim is free without taking it.
type prober interface{ Probe(key string) error }

func (d *Examination) checkClaim(ctx context.Context) finding {
	if d.Place.Store == nil {
		return d.noStore()
	}
	err := tryClaim(ctx, d.Place.Store, d.Place.Profile)
	switch {
	case err == nil:
		return okay("free: nobody is refreshing or signing in")
	case errors.Is(err, codexauth.ErrBusy):
		return warning("a refresh takes seconds, so run this again: a process that holds it for minutes was suspended or hangs", "%v", err)
	case errors.Is(err, errors.ErrUnsupported):
		return skipped("the store does not show who holds its claim")
	}
	return d.storeFailure(ctx, err)
}

// tryClaim finds out whether the claim is free: without taking it where the store
// can tell, and otherwise by taking it for an instant. A claim changes no record.
func tryClaim(ctx context.Context, store codexauth.Store, key string) error {
	if p, ok := store.(prober); ok {
		return p.Probe(key)
	}
	ctx, cancel := context.WithDeadline(ctx, time.Now()) // one attempt and no waiting
	defer cancel()
	claim, err := store.Claim(ctx, key)
	if err != nil {
		return err
	}
	return claim.Release()
}

func (d *Examination) checkSealing(ctx context.Context) finding {
	if d.Place.Store == nil {
		return d.noStore()
	}
	data, err := d.Place.Store.Load(ctx, d.Place.Profile)
	if errors.Is(err, codexauth.ErrNotFound) {
		return d.checkKey(ctx)
	}
	if err != nil {
		return skipped("there is no record to look at")
	}
	switch sealed := frame.Sealed(data); {
	case sealed && d.Place.Sealer == nil:
		return problem("name the key that it was sealed for with --identity-file or CODEXAUTH_IDENTITY_FILE", "the login is sealed, and no key was named")
	case !sealed && d.Place.Sealer != nil:
		return warning("`codexauth store reseal --to` with that key seals it now; the next refresh does, too", "a key was named, and the login is still in plain text")
	case !sealed && d.dir() == "":
		return warning(d.Command("store seal")+" seals it, with a key that stays on this machine", "the login is in plain text, %s", d.Place.Readers())
	case !sealed:
		return okay("the login is in plain text, protected by %s; %s seals it", d.protection(), d.Command("store seal"))
	}
	// Describe and not status: the key may fit a login of another issuer.
	_, err = d.Place.Login(d.Place.Profile).Describe(ctx)
	return d.keyFinding(ctx, err, "the login is sealed with "+d.Place.Sealer.String()+", which opens it")
}

func (d *Examination) protection() string {
	if d.dir() != "" {
		return "its file's " + private.Kept + " alone"
	}
	return "the store alone"
}

// checkKey tries a key that there is nothing to open with.
func (d *Examination) checkKey(ctx context.Context) finding {
	if d.Place.OwnKey { // sealing something would make the key
		return skipped("the store makes its key when somebody signs in")
	}
	if d.Place.Sealer == nil {
		return okay("no key is named: a login would be stored in plain text, protected by %s; `codexauth store keygen` makes a key", d.protection())
	}
	_, err := d.Place.Sealer.Seal([]byte("{}")) // in memory
	return d.keyFinding(ctx, err, "a login would be sealed with "+d.Place.Sealer.String())
}

func (d *Examination) keyFinding(ctx context.Context, err error, good string) finding {
	switch {
	case errors.Is(err, seal.ErrNeedsTerminal):
		return skipped("the key needs an answer from you, and doctor never prompts; %s does", d.Command("status"))
	case errors.Is(err, codexauth.ErrDamaged), errors.Is(err, codexauth.ErrNewerVersion):
		return skipped("see login")
	case err != nil:
		return d.failure(ctx, err)
	}
	return okay("%s", good)
}

// maxProfiles bounds how many profiles are described.
const maxProfiles = 12

func (d *Examination) checkProfiles(ctx context.Context) finding {
	if d.Place.Store == nil {
		return d.noStore()
	}
	keys, err := d.Place.Profiles(ctx)
	if err != nil {
		return skipped("they can't be listed")
	}
	var told []string
	bad := ""
	for i, key := range keys {
		if i == maxProfiles {
			told = append(told, fmt.Sprintf("and %d more", len(keys)-i))
			break
		}
		state, _ := d.Place.Describe(ctx, key)
		told = append(told, key+" "+state)
		switch state {
		case "damaged", "newer_version", "unreadable", string(codexauth.StateRefused):
			if bad == "" || bad == d.Place.Profile {
				bad = key
			}
		}
	}
	switch {
	case len(keys) == 0:
		return okay("none yet")
	case bad == d.Place.Profile:
		return warning("the check login says what to do", "%s", strings.Join(told, ", "))
	case bad != "":
		return warning("`codexauth --profile "+cleantext.ShellWord(bad)+" doctor` says what to do", "%s", strings.Join(told, ", "))
	}
	return okay("%s", strings.Join(told, ", "))
}
