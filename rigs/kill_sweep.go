package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"codexauth/internal/faultpoint"
)

func pointNames() (names []string) {
	for _, p := range faultpoint.All() {
		names = append(names, p.String())
	}
	return names
}

// A scenario is a command that passes fault points.
type scenario struct {
	name string
	play func(t *trial, env []string) (*running, error) // starts it and does the person's part
	// after judges what a kill left.
	after func(k *killing, t *trial) (fate, error)
	moves bool // from one place to another
}

func scenarios() []scenario {
	return []scenario{
		{"token", func(t *trial, env []string) (*running, error) {
			return t.Start("faultpoints", env, "token", "--json")
		}, func(k *killing, t *trial) (fate, error) { return k.aftermath(t, true) }, false},
		{"login", playLogin, func(k *killing, t *trial) (fate, error) { return k.aftermath(t, false) }, false},
		{"logout", func(t *trial, env []string) (*running, error) {
			return t.Start("faultpoints", env, "logout")
		}, afterLogout, false},
		{"import", playImport, afterImport, true},
		{"import of an entry", playImportEntry, afterImportEntry, true},
		{"hand-over", playHandOver, afterHandOver, true},
		{"store copy", playCopy, afterCopy, true},
		{"store reseal", playReseal, afterReseal, true},
		{"profile rename", playRename, afterRename, true},
	}
}

// afterLogout: the login lives or the person is signed out, and nothing between.
func afterLogout(k *killing, t *trial) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	r := t.Run("token", "--json")
	if r.Code != exitSignedOut {
		_, err := t.honoured(r)
		return alive, err
	}
	if c := t.counters(); c.FamiliesRevoked == 0 {
		k.mu.Lock()
		k.sessions++
		k.mu.Unlock()
	}
	data, err := t.record()
	if err == nil && bytes.Contains(data, []byte("refresh_token")) {
		err = errors.New("signed out, and the record still holds a token")
	}
	return signedOut, err
}

// sweep kills at every passage of every point.
func (k *killing) sweep() error {
	for _, s := range scenarios() {
		if !strings.Contains(s.name, k.b.Only) {
			continue
		}
		if s.moves && k.e != nil && k.b.Quick {
			continue
		}
		moments, rotates, err := k.survey(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if s.moves && k.e != nil { // the rest of its way is the same in every store
			moments = slices.DeleteFunc(moments, func(m moment) bool { return m.point != claimed.point && m.point != delivered.point })
		}
		fmt.Printf("  %s comes by %d moments\n", s.name, len(moments))
		for i, m := range moments {
			victims := []victim{theOnly}
			if rotates {
				victims = rotatingVictims()
				if k.e != nil && k.b.Quick {
					victims = victims[:1] // the others have no more to do with an engine than with files
				}
			}
			if rotates && k.brief {
				victims = []victim{theChild, victims[1+i%(len(victims)-1)]}
			}
			for _, v := range victims {
				f, err := k.killAt(s, m, v)
				for range 3 {
					if !errors.Is(err, errRanOn) {
						break
					}
					f, err = k.killAt(s, m, v)
				}
				k.count(v, s.name+" "+m.String(), f, err)
			}
		}
	}
	return nil
}

// survey plays a scenario without a kill, and tells by which moments it comes and
// whether another process than the one started does.
func (k *killing) survey(s scenario) (moments []moment, child bool, err error) {
	t, err := k.newKilling()
	if err != nil {
		return nil, false, err
	}
	defer t.Close()
	r, err := s.play(t, t.pointEnv(""))
	if err != nil {
		return nil, false, err
	}
	if err := r.End().Want(0); err != nil {
		return nil, false, err
	}
	counts := map[string]int{}
	for _, p := range t.passages() {
		child = child || p.pid != r.Process.Pid
		k.passed[p.point]++
		counts[p.point]++
		moments = append(moments, moment{p.point, counts[p.point]})
	}
	return moments, child, nil
}

func (k *killing) killAt(s scenario, m moment, v victim) (fate, error) {
	t, err := k.newKilling()
	if err != nil {
		return lost, err
	}
	defer t.Close()
	action := "kill"
	if v == theParent || v == theGroup {
		action = "stop" // the child stands while its parent is killed
	}
	r, err := s.play(t, t.pointEnv(fmt.Sprintf("%s=%s:%d", m.point, action, m.nth)))
	if err != nil {
		if r != nil {
			r.Process.Kill()
			r.End()
		}
		return lost, err
	}
	if action == "stop" {
		if err := killStarted(t, r, m, v); err != nil {
			return lost, err
		}
	}
	r.End()
	if _, last := t.reached(m); !last && action == "kill" {
		return lost, fmt.Errorf("%w: the points passed are %v", errRanOn, t.passages())
	}
	return s.after(k, t)
}

// killStarted kills what the person started while its child stands at m, and
// then lets the child go on.
func killStarted(t *trial, r *running, m moment, v victim) error {
	child, err := t.untilStanding(m)
	if err != nil {
		r.Process.Kill()
		r.End()
		return err
	}
	return errors.Join(killOne(r, v), t.goOn(child))
}
