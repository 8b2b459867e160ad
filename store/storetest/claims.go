package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
)

func canOverwrite(t *testing.T, p Place) {
	if p.Overwrite == nil {
		t.Skip("nobody can change a record of this store without a claim")
	}
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, codexauth.ErrLost) {
		t.Fatalf("got %v, want ErrLost", err)
	}
}

func testLostCommit(t *testing.T, p Place) {
	canOverwrite(t, p)
	s := p.Open()
	put(t, s, "work", "old")
	c := claim(t, s, "work")
	p.Overwrite("work", []byte("theirs"))
	for range 2 { // it stays lost until somebody looks
		wantLost(t, c.Commit(patient(t), []byte("ours")))
		wantRecord(t, c, "old")
		wantLoad(t, s, "work", "theirs")
	}
}

func testLostDelete(t *testing.T, p Place) {
	canOverwrite(t, p)
	s := p.Open()
	put(t, s, "work", "old")
	c := claim(t, s, "work")
	p.Overwrite("work", []byte("theirs"))
	wantLost(t, c.Delete(patient(t)))
	wantLoad(t, s, "work", "theirs")
}

// testLostBirth: a record that appears where there was none.
func testLostBirth(t *testing.T, p Place) {
	canOverwrite(t, p)
	s := p.Open()
	put(t, s, "other", "x") // so that the store exists
	c := claim(t, s, "work")
	p.Overwrite("work", []byte(""))
	wantLost(t, c.Commit(patient(t), []byte("ours")))
	wantLost(t, c.Delete(patient(t)))
	wantLoad(t, s, "work", "")
}

func testReloadAfterLost(t *testing.T, p Place) {
	canOverwrite(t, p)
	s := p.Open()
	put(t, s, "work", "old")
	c := claim(t, s, "work")
	commit(t, c, "note")
	p.Overwrite("work", []byte("theirs"))
	wantLost(t, c.Commit(patient(t), []byte("ours")))
	if got, err := c.Reload(patient(t)); string(got) != "theirs" || err != nil {
		t.Fatalf("Reload = %q, %v, want theirs", got, err)
	}
	wantRecord(t, c, "theirs")
	commit(t, c, "ours after all")
	wantLoad(t, s, "work", "ours after all")
}

func testLoadDuringClaim(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, "work", "x")
	c := claim(t, s, "work")
	wantLoad(t, s, "work", "x")
	wantLoad(t, p.Open(), "work", "x")
	commit(t, c, "y")
	wantLoad(t, s, "work", "y")
	wantKeys(t, s, "work")
}

func testKeysAreIndependent(t *testing.T, p Place) {
	s := p.Open()
	work := claim(t, s, "work")
	upper := claim(t, s, "Work")
	home := claim(t, p.Open(), "home")
	commit(t, home, "h")
	commit(t, work, "w")
	commit(t, upper, "W")
	if err := home.Delete(patient(t)); err != nil {
		t.Fatal(err)
	}
	wantLoad(t, s, "work", "w")
	wantLoad(t, s, "Work", "W")
	wantNotFound(t, s, "home")
}

func testBusy(t *testing.T, p Place) {
	s := p.Open()
	claim(t, s, "work")
	for name, waiter := range map[string]codexauth.Store{"same Store": s, "another Store": p.Open()} {
		const limit = 50 * time.Millisecond
		start := time.Now() // before the deadline is set
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		c, err := waiter.Claim(ctx, "work")
		if err == nil {
			c.Release()
			t.Fatalf("%s: the claim was granted twice", name)
		}
		if !errors.Is(err, codexauth.ErrBusy) {
			t.Fatalf("%s: %v, want ErrBusy", name, err)
		}
		if waited := time.Since(start); waited < limit {
			t.Errorf("%s: gave up after %v, with a deadline of %v", name, waited, limit)
		}
	}
}

func testExpiredDeadline(t *testing.T, p Place) {
	s, other := p.Open(), p.Open()
	c := claim(t, s, "work")
	wantBusy(t, s, "work")
	wantBusy(t, other, "work")
	release(t, c)
	for _, s := range []codexauth.Store{s, other} {
		c, err := s.Claim(expired(t), "work")
		if err != nil {
			t.Fatalf("Claim of a free key with an expired deadline: %v", err)
		}
		release(t, c)
	}
}

func testCancelled(t *testing.T, p Place) {
	s := p.Open()
	c := claim(t, s, "work")
	for name, waiter := range map[string]codexauth.Store{"same Store": s, "another Store": p.Open()} {
		ctx, cancel := context.WithCancel(patient(t))
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		defer timer.Stop()
		got, err := waiter.Claim(ctx, "work")
		if err == nil {
			got.Release()
			t.Fatalf("%s: the claim was granted twice", name)
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, codexauth.ErrBusy) {
			t.Fatalf("%s: %v, want context.Canceled and not ErrBusy", name, err)
		}
		if _, err := waiter.Claim(ctx, "free"); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: Claim with a cancelled context: %v", name, err)
		}
	}
	release(t, c) // those who gave up must have left nothing behind
	release(t, claim(t, s, "work"))
	release(t, claim(t, s, "free"))
}

// testWaiter: whoever waits gets in at the release, not at a commit, and sees
// what was committed last.
func testWaiter(t *testing.T, p Place) {
	s := p.Open()
	for _, waiter := range []codexauth.Store{s, p.Open()} {
		c := claim(t, s, "work")
		granted := make(chan error)
		go func() { granted <- claimAndFind(patient(t), waiter, "work", "last") }()
		stillWaits := func() {
			t.Helper()
			select {
			case err := <-granted:
				t.Fatalf("the waiter was let in (its error: %v) while somebody held the claim", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
		stillWaits()
		commit(t, c, "note")
		if _, err := c.Reload(patient(t)); err != nil {
			t.Fatal(err)
		}
		stillWaits()
		if err := c.Delete(patient(t)); err != nil {
			t.Fatal(err)
		}
		stillWaits()
		commit(t, c, "last")
		release(t, c)
		if err := <-granted; err != nil {
			t.Fatalf("the waiter, after the release: %v", err)
		}
	}
}

// claimAndFind claims the key, expects the record and releases.
func claimAndFind(ctx context.Context, s codexauth.Store, key, want string) error {
	c, err := s.Claim(ctx, key)
	if err != nil {
		return err
	}
	if got := string(c.Record()); got != want {
		err = fmt.Errorf("Record() = %q, want %q", got, want)
	}
	return errors.Join(err, c.Release())
}

// testReleaseTwice: the second Release must not free the next holder's claim.
func testReleaseTwice(t *testing.T, p Place) {
	s := p.Open()
	first := claim(t, s, "work")
	release(t, first)
	release(t, first)
	second := claim(t, s, "work")
	release(t, first)
	wantBusy(t, s, "work")
	wantBusy(t, p.Open(), "work")
	commit(t, second, "x")
	release(t, second)
	release(t, claim(t, s, "work"))
}

// testReleased: a claim that was released changes nothing any more.
func testReleased(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, "work", "x")
	c := claim(t, s, "work")
	release(t, c)
	_, reload := c.Reload(patient(t))
	for what, err := range map[string]error{
		"Commit": c.Commit(patient(t), []byte("y")),
		"Delete": c.Delete(patient(t)),
		"Reload": reload,
	} {
		if err == nil || errors.Is(err, codexauth.ErrLost) || errors.Is(err, codexauth.ErrTransient) {
			t.Errorf("%s of a released claim: %v, want an error that does not say that it was lost or that it passes", what, err)
		}
	}
	wantLoad(t, s, "work", "x")
}

func testGoroutines(t *testing.T, p Place) {
	const workers, rounds = 8, 10
	stores := []codexauth.Store{p.Open(), p.Open()}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			if err := increment(patient(t), stores[i%len(stores)], "counter", rounds); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantLoad(t, stores[0], "counter", strconv.Itoa(workers*rounds))
}

// increment adds one to a counter under a claim, n times, with a note first, as
// a rotation does.
func increment(ctx context.Context, s codexauth.Store, key string, n int) error {
	for range n {
		if err := incrementOnce(ctx, s, key); err != nil {
			return err
		}
	}
	return nil
}

func incrementOnce(ctx context.Context, s codexauth.Store, key string) error {
	c, err := s.Claim(ctx, key)
	if err != nil {
		return err
	}
	defer c.Release()
	count := 0
	if record := c.Record(); record != nil {
		if count, err = strconv.Atoi(string(record)); err != nil {
			return err // another's note: two hold the claim
		}
	}
	if err := c.Commit(ctx, []byte("rotating "+strconv.Itoa(count))); err != nil {
		return err
	}
	runtime.Gosched() // the others of this process run into the claim
	if err := c.Commit(ctx, []byte(strconv.Itoa(count+1))); err != nil {
		return err
	}
	return c.Release()
}

// testReserve: what is reserved changes no record, serves commits of any size, and
// goes with the claim.
func testReserve(t *testing.T, p Place) {
	s := p.Open()
	c := claim(t, s, "work")
	r, ok := c.(codexauth.Reserver)
	if !ok {
		return // it is an extra: a store without it is a store all the same
	}
	const size = 64 << 10
	for range 3 {
		if err := r.Reserve(patient(t), size); err != nil {
			t.Fatalf("Reserve: %v", err)
		}
	}
	wantNoRecord(t, c)
	wantNotFound(t, s, "work")
	commit(t, c, "note")
	large := strings.Repeat("x", 2*size)
	commit(t, c, large)
	if data, err := c.Reload(patient(t)); err != nil || string(data) != large {
		t.Fatalf("Reload: %d bytes, %v", len(data), err)
	}
	commit(t, c, "small")
	commit(t, c, "not reserved")
	if err := r.Reserve(patient(t), size); err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	if err := c.Delete(patient(t)); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	commit(t, c, "last")
	if err := r.Reserve(patient(t), size); err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	release(t, c)
	if err := r.Reserve(patient(t), size); err == nil {
		t.Error("a released claim reserved")
	}
	wantLoad(t, p.Open(), "work", "last")
	if keys, err := s.List(patient(t)); err != nil || len(keys) != 1 {
		t.Errorf("List = %q, %v", keys, err)
	}
	if p.Overwrite != nil {
		c := claim(t, s, "work")
		if err := c.(codexauth.Reserver).Reserve(patient(t), size); err != nil {
			t.Fatal(err)
		}
		p.Overwrite("work", []byte("somebody else's"))
		wantLost(t, c.Commit(patient(t), []byte("mine")))
		wantLoad(t, s, "work", "somebody else's")
	}
}
