package codexauth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"codexauth"
)

// A spent token is not sent again because what is rescued can't be read just now;
// only a person who asks for it gets that.
func TestUnreadableRescueStopsTheRotation(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir, file string) (undo func()){
		"an open place": func(t *testing.T, dir, _ string) func() {
			must(t, os.Chmod(dir, 0o755))
			return func() { must(t, os.Chmod(dir, 0o700)) }
		},
		"an open file": func(t *testing.T, _, file string) func() {
			must(t, os.Chmod(file, 0o644))
			return func() { must(t, os.Chmod(file, 0o600)) }
		},
		"a place that is a link": func(t *testing.T, dir, _ string) func() {
			must(t, os.Rename(dir, dir+"-moved"))
			must(t, os.Symlink(dir+"-moved", dir))
			return func() { must(t, os.Remove(dir)); must(t, os.Rename(dir+"-moved", dir)) }
		},
		"another key": func(t *testing.T, _, file string) func() {
			data, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, []byte(strings.Replace(string(data), " json ", " toy ", 1)), 0o600))
			return func() { must(t, os.WriteFile(file, data, 0o600)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() < 0 {
				t.Skip("this system has no file modes")
			}
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store, dir, rescue := spilled(t, s)
				file := filepath.Join(dir, filesIn(t, dir)[0])
				undo := spoil(t, dir, file)
				_, err := onBubbleTime(newManager(t, s, store, rescue)).Token(t.Context())
				wantErr(t, err, codexauth.ErrRescueUnreadable)
				if !strings.Contains(err.Error(), dir) {
					t.Errorf("it does not say where: %v", err)
				}
				if n, _ := s.counts(); n != 1 {
					t.Fatalf("%d requests", n)
				}
				undo()
				mustToken(t, newManager(t, s, store, rescue))
				if n, reuses := s.counts(); n != 1 || reuses != 0 {
					t.Errorf("%d requests, %d reuses", n, reuses)
				}
			})
		})
	}
}

// There are two copies: one that can't be read is no reason where the other was put back.
func TestUnreadableCopyBesideAReadableOne(t *testing.T) {
	for _, spoiled := range []string{"AAAAAAAAAA", "ZZZZZZZZZZ"} { // found before the other, and after it
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store, dir, rescue := spilled(t, s)
			name := filesIn(t, dir)[0]
			data, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			whose := name[:strings.LastIndex(name, "-")+1]
			must(t, os.Rename(filepath.Join(dir, name), filepath.Join(dir, whose+"MMMMMMMMMM.record")))
			must(t, os.WriteFile(filepath.Join(dir, whose+spoiled+".record"), data[:len(data)/2], 0o600))
			m := newManager(t, s, store, rescue)
			if status, err := m.Status(t.Context()); err != nil || !strings.HasPrefix(status.Rescued, dir) {
				t.Errorf("before: %q, %v", status.Rescued, err)
			}
			mustToken(t, m)
			if n, reuses := s.counts(); n != 1 || reuses != 0 {
				t.Errorf("%d requests, %d reuses", n, reuses)
			}
			if status, err := m.Status(t.Context()); err != nil || status.Rescued != "" {
				t.Errorf("after: %q, %v", status.Rescued, err)
			}
		})
	}
}

// Whoever asks explicitly goes on without what can't be read.
func TestForcedRefreshGoesOnWithoutARescue(t *testing.T) {
	if os.Geteuid() < 0 {
		t.Skip("this system has no file modes")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		must(t, os.Chmod(dir, 0o755))
		_, err := onBubbleTime(newManager(t, s, store, rescue)).Refresh(t.Context())
		wantErr(t, err, codexauth.ErrRefused)
		must(t, os.Chmod(dir, 0o700))
	})
}

// A place that can't be read stops nobody where no refresh is unanswered: nothing
// can wait there.
func TestUnreadablePlaceWithoutANote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o755))
		mustToken(t, newManager(t, s, expired(t, s), inPlace(dir)))
	})
}
