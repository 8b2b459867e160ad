package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/disk"
	"codexauth/internal/reason"
	"codexauth/seal"
)

func (d *Examination) loginChecks() []check {
	return []check{
		{"login", d.checkLogin},
		{"refresh", d.checkRefresh},
		{"back_off", d.checkBackOff},
		{"rescue_files", d.checkRescueFiles},
		{"rescue_places", d.checkRescuePlaces},
	}
}

func (d *Examination) checkLogin(ctx context.Context) finding {
	if d.manager == nil {
		return d.noStore()
	}
	s, err := d.status()
	switch {
	case errors.Is(err, codexauth.ErrStoreUnsafe):
		return skipped("not read: see store_private")
	case errors.Is(err, codexauth.ErrSealed), errors.Is(err, codexauth.ErrWrongKey), errors.Is(err, seal.ErrIdentity), errors.Is(err, seal.ErrNeedsTerminal):
		return skipped("not opened: see sealing")
	case verdict.IsKeyringError(err):
		return skipped("not opened: see keyring")
	case err != nil && d.Place.Broker != nil:
		return skipped("the broker does not say: see store")
	case err != nil:
		return d.failure(ctx, err)
	}
	now := time.Now()
	switch s.State {
	case codexauth.StateSignedOut:
		if s.Rescued != "" {
			return problem(d.Remedy(ctx, reason.ErrStoreAway), "its store is not here, and a rescued login waits in %s", s.Rescued)
		}
		if s.MovedTo != "" {
			return problem("name it where it is now, with --profile or --store; `codexauth config set` does so for every shell", "the login %q was moved to %s", s.Key, s.MovedTo)
		}
		return problem("run "+d.Command("login"), "nobody is signed in as %q", s.Key)
	case codexauth.StateRefused:
		return problem("run "+d.Command("login"), "the server no longer accepts it: %s, %s", ui.Reason(s.LastRefusal), ui.When(s.LastRefusal.At, now))
	case codexauth.StateExpired:
		return okay("%s; its token expired %s, and the next %s refreshes it", ui.AccountText(s.Account), ui.Relative(s.ExpiresAt.Sub(now)), d.Command("token"))
	case codexauth.StateDue:
		return okay("%s; its token is due for a refresh, which the next %s does", ui.AccountText(s.Account), d.Command("token"))
	}
	return okay("%s; its token expires %s", ui.AccountText(s.Account), ui.When(s.ExpiresAt, now))
}

// signedIn returns the status where there is a login to tell about.
func (d *Examination) signedIn() (s codexauth.Status, ok bool) {
	if d.manager == nil {
		return s, false
	}
	s, err := d.status()
	return s, err == nil && s.State != codexauth.StateSignedOut
}

func noLogin() finding { return skipped("there is no login to look at") }

// checkRefresh looks for the note of a refresh that has no known outcome.
func (d *Examination) checkRefresh(context.Context) finding {
	s, ok := d.signedIn()
	if !ok {
		return noLogin()
	}
	if s.Pending == nil {
		return okay("none is in progress, and none was cut off")
	}
	detail := fmt.Sprintf("one was begun by %s, and its outcome is not known", cleantext.Line(s.Pending.String()))
	switch {
	case s.State == codexauth.StateRefused:
		return skipped("%s; the server refuses the login by now", detail)
	case s.Abandoned:
		return warning("nothing to do: the next "+d.Command("token")+" that needs a refresh tries the same token once more, and reports the result",
			"%s; nobody waits for it any more", detail)
	}
	return warning("nothing to do yet: while the token is valid it is served; once it has expired, the next refresh waits up to 80 seconds for that process, then tries once",
		"%s; that process may still be working on it", detail)
}

func (d *Examination) checkBackOff(context.Context) finding {
	s, ok := d.signedIn()
	if !ok {
		return noLogin()
	}
	if s.Failure == nil {
		return okay("none: a refresh may be asked for at any time")
	}
	return warning("nothing to do: every process waits, and then one of them tries again",
		"the last refresh failed (%v); the next one is tried %s", s.Failure, ui.When(s.RetryAt, time.Now()))
}

func (d *Examination) checkRescueFiles(ctx context.Context) finding {
	if d.Place.Store == nil {
		return d.noStore()
	}
	var fits, other, foreign []string
	broken := ""
	for _, place := range d.manager.RescuePlaces(ctx) {
		for _, path := range slices.Sorted(maps.Keys(place.Files)) {
			switch err := place.Files[path]; {
			case err == nil:
				fits = append(fits, path)
			case errors.Is(err, codexauth.ErrOtherLogin):
				foreign = append(foreign, path)
			case errors.Is(err, codexauth.ErrLost):
				other = append(other, path)
			default:
				broken = fmt.Sprintf("%s can't be read: %v", path, err)
			}
		}
	}
	switch {
	case len(fits) > 0: // before one that is broken: the login is saved
		return warning("make the store writable if it is not, then run "+d.Command("refresh")+", which puts it there", "a new token that the store did not take waits in %s", strings.Join(fits, " and "))
	case broken != "":
		return problem("keep the file: it may be all that is left of the login; name its key with --identity-file, or make it this user's alone", "a rescued token: %s", broken)
	case len(other) > 0:
		return warning("nothing to do: the next refresh removes what is out of date, and keeps what is newer than the store", "%s, which does not follow what is stored", strings.Join(other, " and "))
	case len(foreign) > 0:
		return warning("if another store of yours has a profile of this name, its next refresh takes the file; if that store is gone for good, remove the file",
			"a new token of another login waits in %s", strings.Join(foreign, " and "))
	}
	return okay("none is waiting")
}

// checkRescuePlaces looks whether a new token could be saved somewhere if the
// store fails just then.
func (d *Examination) checkRescuePlaces(ctx context.Context) finding {
	if d.Place.Store == nil {
		return d.noStore()
	}
	var good, bad []string
	for _, place := range d.manager.RescuePlaces(ctx) {
		err := place.Err
		if err == nil {
			if err = disk.Writable(disk.Existing(place.Dir)); errors.Is(err, disk.ErrUnknown) {
				err = nil
			}
		}
		if err == nil {
			good = append(good, place.Dir)
			continue
		}
		bad = append(bad, fmt.Sprintf("%s (%v)", place.Dir, cause(err)))
	}
	how := ""
	if modesTell {
		how = " (chmod 700)"
	}
	remedy := "make a place usable outside the store's file system: a directory for this user alone" + how + ", or a missing one that can be created"
	switch {
	case len(good) == 0:
		return problem(remedy, "no place could take a new token that the store does not take: %s", strings.Join(bad, ", "))
	case len(bad) > 0:
		return warning(remedy, "usable: %s; not usable: %s", strings.Join(good, ", "), strings.Join(bad, ", "))
	}
	return okay("%s", strings.Join(good, ", "))
}

// cause drops a path from an error that stands beside it.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) && filepath.IsAbs(path.Path) {
		return path.Err
	}
	return err
}
