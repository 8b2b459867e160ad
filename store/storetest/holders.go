package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/standstill"
)

// standsFor is how long a holder stands still: for 30 seconds, as the lid of a
// laptop or a debugger may do, where everything is to be tested, and otherwise
// long enough for most mistakes.
func standsFor() time.Duration {
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
		return 30 * time.Second
	}
	return 2 * time.Second
}

// testProcessStopped: a holder that stands still and goes on saves what it got.
// Meanwhile nobody gets its claim, unless claims are leases; then nobody must
// have changed the record.
func testProcessStopped(t *testing.T, p Place) {
	t.Parallel()
	s := p.Open()
	put(t, s, childKey, "x")
	holder, in := startHolder(t, p, roleCommit)
	if err := standstill.Stop(holder.Process); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(standsFor()); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if !p.Leases {
			wantBusy(t, s, childKey)
		}
		wantLoad(t, s, childKey, childNote)
	}
	if err := standstill.Continue(holder.Process); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "the child's successor"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := holder.Wait(); err != nil {
		t.Fatalf("the holder, after it had stood still: %v", err)
	}
	c := claim(t, s, childKey)
	wantRecord(t, c, "the child's successor")
	release(t, c)
}

// testCommitSurvivesKill: what Commit returned for is there, although its process
// was killed at once.
func testCommitSurvivesKill(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, childKey, "x")
	holder, _ := startHolder(t, p, roleCommit)
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	wantLoad(t, s, childKey, childNote)
	c := claim(t, s, childKey)
	wantRecord(t, c, childNote)
	release(t, c)
}

// testBusyNamesHolder: who is kept waiting can find out by whom.
func testBusyNamesHolder(t *testing.T, p Place) {
	holder := StartHolder(t, p)
	_, err := p.Open().Claim(expired(t), childKey)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(holder.Process.Pid)) {
		t.Errorf("the error %v does not name process %d", err, holder.Process.Pid)
	}
}

// testCutHolderSaves: the store can be reached again, and nobody has changed the
// record meanwhile, also if somebody else has the claim by now.
func testCutHolderSaves(t *testing.T, p Place) {
	s := p.Open()
	for _, meanwhile := range []string{"nothing", "a reload", "another claim"} {
		put(t, s, "work", "old")
		c := claim(t, s, "work")
		commit(t, c, "note")
		p.Cut(c)
		switch meanwhile {
		case "a reload":
			if got, err := c.Reload(patient(t)); err != nil || string(got) != "note" {
				t.Fatalf("Reload = %q, %v", got, err)
			}
		case "another claim":
			defer claim(t, p.Open(), "work").Release()
		}
		commit(t, c, "successor")
		wantLoad(t, s, "work", "successor")
		commit(t, c, "and again")
		wantLoad(t, p.Open(), "work", "and again")
		c.Release() // whether it can be confirmed or not
	}
	c := claim(t, p.Open(), "gone")
	commit(t, c, "x")
	p.Cut(c)
	if err := c.Delete(patient(t)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantNotFound(t, s, "gone")
	c.Release()
	c = claim(t, s, "born late")
	p.Cut(c)
	commit(t, c, "first")
	c.Release()
	wantLoad(t, s, "born late", "first")
}

// testCutHolderIsTooLate: somebody else has the claim by now, and changed the record.
func testCutHolderIsTooLate(t *testing.T, p Place) {
	s, other := p.Open(), p.Open()
	put(t, s, "work", "old")
	c := claim(t, s, "work")
	commit(t, c, "note")
	p.Cut(c)
	next := claim(t, other, "work") // it was let go
	wantRecord(t, next, "note")
	commit(t, next, "theirs")
	wantLost(t, c.Commit(patient(t), []byte("ours")))
	wantLost(t, c.Delete(patient(t)))
	if got, err := c.Reload(patient(t)); err != nil || string(got) != "theirs" {
		t.Fatalf("Reload = %q, %v", got, err)
	}
	c.Release()
	wantBusy(t, s, "work") // that gave nobody else's claim back
	commit(t, next, "theirs still")
	release(t, next)
	wantLoad(t, s, "work", "theirs still")

	// The same bytes again, after a Delete, are not the same record.
	c = claim(t, s, "work")
	p.Cut(c)
	next = claim(t, other, "work")
	if err := next.Delete(patient(t)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantLost(t, c.Commit(patient(t), []byte("ours")))
	commit(t, next, "theirs still")
	wantLost(t, c.Commit(patient(t), []byte("ours")))
	wantLost(t, c.Delete(patient(t)))
	c.Release()
	release(t, next)
}

// testReleaseAfterCut lets the next one in.
func testReleaseAfterCut(t *testing.T, p Place) {
	s := p.Open()
	for range 3 {
		c := claim(t, s, "work")
		p.Cut(c)
		c.Release()
		c.Release()
	}
	put(t, p.Open(), "work", "x")
}

func watcher(t *testing.T, p Place) codexauth.Watcher {
	t.Helper()
	w, ok := p.Open().(codexauth.Watcher)
	if !ok {
		t.Fatal("this place's stores were Watchers a moment ago")
	}
	return w
}

// testAwaitReturnsAtOnce where there is nothing to wait for.
func testAwaitReturnsAtOnce(t *testing.T, p Place) {
	s, w := p.Open(), watcher(t, p)
	var now []byte // the record
	await := func(old []byte) {
		t.Helper()
		record, err := w.Await(patient(t), "work", old)
		wantTold(t, record, now, err)
	}
	await(nil) // nobody has the claim
	await([]byte("x"))
	c := claim(t, s, "work")
	commit(t, c, "new")
	now = []byte("new")
	await(nil) // the record is another
	await([]byte{})
	await([]byte("old"))
	if err := c.Delete(patient(t)); err != nil {
		t.Fatal(err)
	}
	now = nil
	await([]byte("new"))
}

// wantTold checks what Await returned while the record was now.
func wantTold(t *testing.T, record, now []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("Await: %v", err)
	}
	if record != nil && (now == nil || !bytes.Equal(record, now)) {
		t.Fatalf("Await returned the record %q, and it is %q", record, now)
	}
}

// testAwaitRelease: it lasts as long as the claim, and then all go on.
func testAwaitRelease(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, "work", "x")
	c := claim(t, s, "work")
	const n = 5
	done := make(chan error, n)
	for range n {
		w := watcher(t, p)
		go func() { done <- awaitEnd(t, w, s) }()
	}
	select {
	case err := <-done:
		t.Fatalf("one went on (its error: %v) while somebody held the claim", err)
	case <-time.After(100 * time.Millisecond):
	}
	release(t, c)
	for range n {
		if err := <-done; err != nil {
			t.Errorf("Await: %v", err)
		}
	}
}

// awaitEnd awaits the end of the claim, also if it is told too early: that may be,
// but not again and again.
func awaitEnd(t *testing.T, w codexauth.Watcher, s codexauth.Store) error {
	for range 3 {
		record, err := w.Await(patient(t), "work", []byte("x"))
		if err != nil {
			return err
		}
		if record != nil && string(record) != "x" {
			return fmt.Errorf("it returned the record %q", record)
		}
		c, err := s.Claim(expired(t), "work")
		if err == nil {
			return c.Release()
		}
	}
	return nil
}

// testAwaitCommit: the holder commits, and is slow to release.
func testAwaitCommit(t *testing.T, p Place) {
	s, w := p.Open(), watcher(t, p)
	put(t, s, "work", "old")
	c := claim(t, s, "work")
	var record []byte
	done := make(chan error, 1)
	go func() {
		var err error
		record, err = w.Await(patient(t), "work", []byte("old"))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	commit(t, c, "new")
	err := <-done
	wantTold(t, record, []byte("new"), err)
}

func testAwaitEndsWithContext(t *testing.T, p Place) {
	s, w := p.Open(), watcher(t, p)
	put(t, s, "work", "x")
	claim(t, s, "work")
	ended := expired(t)
	if _, err := w.Await(ended, "work", []byte("x")); err == nil || ended.Err() == nil {
		t.Errorf("Await with a deadline that has passed: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	for cancelled.Err() == nil {
		if _, err := w.Await(cancelled, "work", []byte("x")); err == nil && time.Since(began) > patience {
			t.Fatal("Await did not end with its context")
		}
	}
}
