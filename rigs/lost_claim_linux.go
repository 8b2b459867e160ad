package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// An overtaking is a command that stands between reading the record and writing it,
// until its claim is another's. When it goes on, it overwrites nothing of what came
// meanwhile.
type overtaking struct {
	name      string
	prepare   func(*trial) error
	args      func(*trial) []string
	at        moment
	meanwhile func(*trial) error
	after     func(t *trial, end result) error
	brief     bool // in an engine, too, in the quick run
}

// overtakings are played with the login in an engine, or in a file: nil.
func overtakings(b *run, e engine) (proofs []proof) {
	cfg := sandbox.Config{Users: []sandbox.User{{Email: ann}, {Email: bob}}}
	for _, o := range []overtaking{
		{name: "sign-out, refreshed meanwhile", args: words("logout"), at: claimed, meanwhile: refreshedBy, brief: true,
			after: func(t *trial, end result) error { return errors.Join(end.Want(0), t.dead(true)) }},
		{name: "sign-out, a refresh on its way meanwhile", args: words("logout"), at: claimed, meanwhile: refreshing,
			after: func(t *trial, end result) error { return errors.Join(end.Want(0), t.dead(true)) }},
		{name: "sign-out, signed in again meanwhile", args: words("logout"), at: claimed, meanwhile: bobSignsIn, brief: true,
			after: func(t *trial, end result) error {
				return errors.Join(end.Want(exitTryLater, "another login"), t.bobs())
			}},
		{name: "import, signed in again meanwhile", prepare: signedOutWithAuth, args: importing, at: claimed, meanwhile: bobSignsIn, brief: true,
			after: func(t *trial, end result) error { return errors.Join(end.Want(1, "--force"), t.bobs(), t.authStays()) }},
		{name: "import, the same one imported and refreshed meanwhile", prepare: signedOutWithAuth, args: importing, at: claimed, meanwhile: importsCopy,
			after: func(t *trial, end result) error { return errors.Join(end.Want(0, "stored already"), t.livesOn()) }},
		{name: "hand-over, refreshed before it is written", prepare: placeForAuth, args: handingOver, at: claimed, meanwhile: refreshedBy, after: takenBack},
		{name: "hand-over, refreshed when it is written", prepare: placeForAuth, args: handingOver, at: delivered, meanwhile: refreshedBy, after: takenBack, brief: true},
		{name: "hand-over, a refresh on its way when it is written", prepare: placeForAuth, args: handingOver, at: delivered, meanwhile: refreshing, after: takenBack},
		{name: "hand-over, signed in again when it is written", prepare: placeForAuth, args: handingOver, at: delivered, meanwhile: bobSignsIn,
			after: func(t *trial, end result) error {
				return errors.Join(end.Want(exitTryLater, "taken back"), t.authIsGone(), t.bobs())
			}},
		{name: "move away, refreshed before it is there", args: movingAway, at: claimed, meanwhile: refreshedBy, after: notMoved},
		{name: "move away, refreshed when it is there", args: movingAway, at: delivered, meanwhile: refreshedBy, after: notMoved, brief: true},
		{name: "move away, a refresh on its way when it is there", args: movingAway, at: delivered, meanwhile: refreshing, after: notMoved},
		{name: "move away, signed in again when it is there", args: movingAway, at: delivered, meanwhile: bobSignsIn,
			after: func(t *trial, end result) error {
				return errors.Join(end.Want(exitTryLater, "nothing was moved"), t.elsewhere().Run("token").Want(exitSignedOut), t.bobs())
			}},
		{name: "move to here, signed in here meanwhile", prepare: loginElsewhere, args: movingHere, at: moment{"claimed", 2}, meanwhile: bobSignsIn, brief: true,
			after: func(t *trial, end result) error {
				return errors.Join(end.Want(exitTryLater), t.bobs(), t.elsewhere().livesOn())
			}},
		{name: "a new key, refreshed meanwhile", prepare: func(t *trial) error { return t.Run("store", "keygen", t.keyFile()).Want(0) },
			args: resealing, at: claimed, meanwhile: refreshedBy, brief: true,
			after: func(t *trial, end result) error {
				err := errors.Join(end.Want(exitTryLater), t.livesOn(), t.Run("store", "reseal", "--to", t.keyFile()).Want(0))
				t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+t.keyFile())
				return errors.Join(err, t.livesOn())
			}},
	} {
		if e != nil && b.Quick && !o.brief {
			continue
		}
		proofs = append(proofs, proof{name: "lost claim: " + o.name, cfg: cfg, e: e, play: o.play(e, false)})
	}
	if _, lease := e.(*etcdEngine); lease { // a session lives for as long as its process does, though it stand still
		o := overtaking{args: handingOver, prepare: placeForAuth, at: delivered, meanwhile: refreshedBy, after: takenBack}
		proofs = append(proofs, proof{name: "lost claim: hand-over, standing still for as long as its lease lasts", cfg: cfg, e: e, full: true, play: o.play(e, true)})
	}
	return proofs
}

func words(args ...string) func(*trial) []string { return func(*trial) []string { return args } }

func importing(t *trial) []string   { return []string{"import", t.authPath()} }
func handingOver(t *trial) []string { return []string{"export", "--hand-over", t.authPath()} }
func movingAway(t *trial) []string {
	return []string{"store", "copy", t.Address, t.elsewhere().Address}
}
func movingHere(t *trial) []string {
	return []string{"store", "copy", t.elsewhere().Address, t.Address}
}
func resealing(t *trial) []string { return []string{"store", "reseal", "--to", t.keyFile()} }

// play has the command stand, takes its claim away, lets another go first, and
// judges when it has gone on. Itself means that the claim ends by what stands still.
func (o overtaking) play(e engine, itself bool) func(*trial) error {
	return func(t *trial) error {
		if o.prepare != nil {
			if err := o.prepare(t); err != nil {
				return err
			}
		}
		t.Server.ResetCounters()
		r, err := t.Start("faultpoints", t.pointEnv(fmt.Sprintf("%s=stop:%d", o.at.point, o.at.nth)), o.args(t)...)
		if err != nil {
			return err
		}
		pid, err := t.untilStanding(o.at)
		if err == nil && !itself {
			err = t.loseClaim(e)
		}
		if err == nil {
			err = o.meanwhile(t)
		}
		if err != nil {
			_ = r.Process.Kill() // it may have ended
			r.End()
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			return err
		}
		end := r.End()
		t.Server.ClearFaults()
		return errors.Join(o.after(t, end), t.noRescue(), t.noReuse())
	}
}

// loseClaim ends what the claims of this login are made of.
func (t *trial) loseClaim(e engine) error {
	if e == nil {
		return os.Remove(filepath.Join(t.Home, "lock-default"))
	}
	return e.loseClaims()
}

func (t *trial) noReuse() error {
	if c := t.counters(); c.Reuses+c.DeadFamily+c.UnknownTokens > 0 {
		return fmt.Errorf("a spent token was sent: %+v", c)
	}
	return nil
}

func refreshedBy(t *trial) error { return t.Run("refresh").Want(0) }

// refreshing leaves a refresh that its server has not answered.
func refreshing(t *trial) error {
	_, err := t.askingUnder("latency=2s@refresh")
	return err
}

func bobSignsIn(t *trial) error { return t.signInAs(bob) }

// bobs checks that the login is bob's, and lives.
func (t *trial) bobs() error {
	err := t.livesOn()
	now, err2 := t.honoured(t.Run("token", "--json"))
	if now.AccountID != t.accounts()[bob] {
		err = errors.Join(err, fmt.Errorf("the newer login was overwritten: the token is of account %q", now.AccountID))
	}
	return errors.Join(err, err2)
}

func placeForAuth(t *trial) error { return os.MkdirAll(filepath.Dir(t.authPath()), 0o700) }

func signedOutWithAuth(t *trial) error {
	return errors.Join(t.leaveAuth(), t.Run("logout", "--local").Want(0))
}

func loginElsewhere(t *trial) error {
	return errors.Join(t.elsewhere().renew(), t.Run("logout", "--local").Want(0))
}

// importsCopy: the file that is being imported was copied, and somebody is faster.
func importsCopy(t *trial) error {
	data, err := os.ReadFile(t.authPath())
	if err != nil {
		return err
	}
	copied := filepath.Join(t.Dir, "copy.json")
	return errors.Join(os.WriteFile(copied, data, 0o600), t.Run("import", copied).Want(0), t.Run("refresh").Want(0))
}

func (t *trial) authStays() error {
	_, err := os.Stat(t.authPath())
	return err
}

func (t *trial) authIsGone() error {
	if _, err := os.Stat(t.authPath()); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a spent login is left in %s: %v", t.authPath(), err)
	}
	return nil
}

// takenBack: a hand-over that was overtaken says so, and works the next time.
func takenBack(t *trial, end result) error {
	err := errors.Join(end.Want(exitTryLater, "taken back"), t.authIsGone(), t.settled(), t.livesOn())
	return errors.Join(err, t.Run(handingOver(t)...).Want(0), t.Run("token").Want(exitSignedOut),
		t.elsewhere().Run("import", t.authPath()).Want(0), t.elsewhere().livesOn())
}

func notMoved(t *trial, end result) error {
	err := errors.Join(end.Want(exitTryLater, "nothing was moved"), t.elsewhere().Run("token").Want(exitSignedOut), t.settled(), t.livesOn())
	return errors.Join(err, t.Run(movingAway(t)...).Want(0), t.Run("token").Want(exitSignedOut), t.elsewhere().livesOn())
}

// settled waits until no refresh is on its way.
func (t *trial) settled() error {
	var rec storedRecord
	err := rig.Until("a refresh to be saved", func() bool {
		var err error
		rec, err = t.stored()
		return err == nil && rec.Note == nil
	})
	if err != nil {
		return fmt.Errorf("%w: %+v", err, rec)
	}
	return nil
}

// overtaken is what can happen to a claim in this engine.
func (f *fleetRun) overtaken() error {
	began := time.Now()
	all := *f.b.Run
	all.Only = ""                                                                            // it chose this part
	f.verdicts = append(f.verdicts, (&run{&all}).prove(f.name, 1, overtakings(f.b, f.e))...) // a claim that is lost here is lost to all
	fmt.Printf("  lost claims: %v\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}
