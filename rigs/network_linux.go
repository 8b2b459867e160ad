package main

import (
	"errors"
	"syscall"
)

// hanging are the proofs of a request that gets no answer and whose process is
// killed, for the rig "network".
func hanging() []proof {
	return []proof{{name: "no answer, the process killed", play: func(t *trial) error {
		if err := t.Fault("hang*1"); err != nil {
			return err
		}
		r, err := t.Start("codexauth", nil, "token")
		if err != nil {
			return err
		}
		return errors.Join(t.untilAsked(1), killBoth(r, 0), t.livesAfter(2))
	}}, {name: "no answer until the request times out, and who waits on is killed", full: true, play: func(t *trial) error {
		err := errors.Join(t.Fault("hang*1"), t.Run("token").Want(exitTryLater, "no answer"))
		rec, err2 := t.stored()
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if rec.Note == nil {
			return errors.New("nobody waits for the answer any more")
		}
		return errors.Join(syscall.Kill(rec.Note.PID, syscall.SIGKILL), untilGone(rec.Note.PID), t.livesAfter(2))
	}}}
}
