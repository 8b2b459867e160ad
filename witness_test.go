package codexauth_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

// sharedStore is one that other machines use, too.
type sharedStore struct{ codexauth.Store }

// On a store that machines share, a process of this boot that is gone may be one
// of a twin: a machine that was restored from the same memory snapshot. Only its
// witness proves that it died here; otherwise its request is waited out.
func TestTwinsNoteIsWaitedOut(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("there are no witnesses there")
	}
	for name, there := range map[string]bool{"of this machine": true, "of a twin": false} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "codexauth-alive")
			witness := filepath.Join(dir, "alive-x")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if there {
				if err := os.WriteFile(witness, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				for _, path := range []string{witness, ""} { // "": an older version's
					edit(t, store, func(r *codexauth.Record) {
						codexauth.DeadNote(r, time.Now())
						r.Note.Witness = path
						r.Credential.Expiry = time.Now().Add(-time.Hour)
					})
					began := time.Now()
					m := onBubbleTime(newManager(t, s, sharedStore{store}))
					mustToken(t, m)
					m.Close()
					waited := time.Since(began)
					if atOnce := there && path != ""; atOnce != (waited < time.Second) || !atOnce && waited < 80*time.Second {
						t.Errorf("witness %q: waited %v", path, waited)
					}
				}
				if n, reuses := s.counts(); n != 2 || reuses != 0 {
					t.Errorf("%d requests, %d reuses", n, reuses)
				}
			})
		})
	}
}

// A rotation on a shared store leaves its witness while its request is out, and
// nothing afterwards.
func TestWitnessOfARotation(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("there are no witnesses there")
	}
	runtimeDir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.latency = 5 * time.Second
		m := newManager(t, s, sharedStore{store})
		done := make(chan struct{})
		go func() { defer close(done); mustToken(t, m) }()
		time.Sleep(time.Second)
		if n := stored(t, store).Note; n == nil || n.Witness == "" {
			t.Errorf("note %+v", n)
		} else if _, err := os.Stat(n.Witness); err != nil {
			t.Error(err)
		}
		<-done
		if left, _ := filepath.Glob(filepath.Join(runtimeDir, "*", "*")); len(left) != 0 {
			t.Errorf("%v stay", left)
		}
	})
}
