package codexauth

import (
	"context"
	"fmt"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/wait"
)

func (m *Manager) commit(ctx context.Context, claim Claim, rec *record) error {
	data, err := m.cfg.encode(rec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Commit(ctx, data)
}

func (m *Manager) reload(ctx context.Context, claim Claim) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Reload(ctx)
}

// save makes next durable in place of spent, whatever it takes. It returns the
// record that is there in the end: next, or one that somebody else made of the
// same or a newer login. If the store fails, next goes to rescue files first
// (unless it is in the ones that rescue names) and the attempts go on.
func (m *Manager) save(ctx context.Context, claim Claim, spent, next *record, rescue []string) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	landed := 0
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := m.commit(ctx, claim, next)
		if err == nil {
			m.unspill(rescue)
			return next, nil
		}
		// The commit may have landed all the same, or somebody was here.
		if data, err := m.reload(ctx, claim); err == nil {
			done, rec, err := m.reconcile(ctx, data, spent, next)
			if done && rec == next {
				landed++ // but perhaps not durably: the same once more tells
			}
			if done && (rec != next || landed == 3) {
				m.unspill(rescue)
				return rec, err
			}
		}
		m.log.Warn("the store does not take the new credential", "key", m.cfg.Key, "error", err)
		if len(rescue) == 0 && landed == 0 {
			var spillErr error
			if rescue, spillErr = m.spill(next); spillErr != nil {
				m.log.Warn("a rescue file can't be written either", "key", m.cfg.Key, "error", spillErr)
			}
		}
		if wait.Sleep(ctx, pause) != nil {
			return nil, notSaved(rescue, err)
		}
	}
}

func notSaved(rescue []string, err error) error {
	if len(rescue) == 0 {
		return fmt.Errorf("%w, and no rescue file either: it is lost with this process; sign in again: %w", ErrNotSaved, err)
	}
	return fmt.Errorf("%w; it waits in %s, and the next start puts it back once the store can be written: %w", ErrNotSaved, rescue[0], err)
}

func (m *Manager) unspill(rescue []string) {
	for _, path := range rescue {
		if err := atomicfile.Remove(path); err != nil {
			m.log.Warn("removing a rescue file", "file", path, "error", err)
		}
	}
}

// reconcile compares what is stored with what a holder wants to save. It is not
// done while the stored state is the one that was spent, whatever note or
// refusal stands beside it: its successor goes in.
func (m *Manager) reconcile(ctx context.Context, data []byte, spent, next *record) (done bool, rec *record, err error) {
	if data == nil {
		return false, nil, nil // gone is no sign-out: a volume may be unmounted
	}
	cur, err := m.cfg.decode(data)
	switch {
	case err != nil:
		return false, nil, nil
	case cur.Login == next.Login && cur.SignedOut != nil:
		m.revokeLate(ctx, next)
		return true, nil, m.signedOut()
	case cur.SignedOut != nil:
		return true, nil, m.signedOut()
	case cur.same(next):
		return true, next, nil // our commit had landed
	case cur.same(spent):
		return false, nil, nil
	case cur.Login == next.Login && cur.Seq < next.Seq:
		return false, nil, nil // an older state came back: ours is newer
	}
	return true, cur, nil
}

// revokeLate ends a login that was signed out while its refresh was on its way.
func (m *Manager) revokeLate(ctx context.Context, next *record) {
	endpoints, err := m.discoverFor(ctx, next)
	if err == nil {
		err = m.oauthClient(endpoints).Revoke(ctx, next.Credential.RefreshToken)
	}
	if err != nil {
		m.log.Warn("revoking a login that was signed out in mid-refresh", "key", m.cfg.Key, "error", err)
	}
}
