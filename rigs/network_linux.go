package main

import "errors"

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
	}}}
}
