// Package storetest is the contract of codexauth.Store in executable form. Every
// backend's tests call [Run]; one whose store several processes can share also
// calls [Main] from its TestMain. What [Run] cannot know of a store on a server is in
// [Storm], [CancelledAtTheGrant] and [TooLarge].
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/standstill"
)

// Place is where one test's records live: nothing else uses it.
type Place struct {
	// Open returns a Store on the place. The suite calls it several times and
	// uses all of them at once, as several programs would; a store that lives
	// in one value returns that each time. It may use t.Cleanup to close what
	// it opened, and t.Fatal.
	Open func() codexauth.Store

	// Overwrite replaces a record without asking for a claim, as a program that
	// knows nothing of claims would, or a restored backup. If nil, nobody can,
	// and the tests of ErrLost are skipped.
	Overwrite func(key string, record []byte)

	// Cut breaks the connection that a claim of this place's stores relies on, as a
	// network or an administrator would, and returns when that has happened. If
	// nil, nothing can be cut, and the tests of a holder that is cut off are left out.
	Cut func(codexauth.Claim)

	// Fill stores the record under many keys in one go, in whatever way is quick.
	// If nil, the suite claims each.
	Fill func(keys []string, record []byte)

	// Leases: the claim of a suspended holder can go to another, as with a
	// lease that nobody renews.
	Leases bool

	// Name lets the function given to [Main] open this place in another process.
	// If it is empty, there are no tests with processes.
	Name string
}

// patience is how long a test waits for what should come soon. Only a fault
// makes anything wait as long as that.
const patience = 3 * time.Minute

// Run tests the whole contract. The function newPlace makes an empty place for
// each test and cleans up after it with t.Cleanup.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	type test struct {
		name string
		run  func(*testing.T, Place)
	}
	tests := []test{
		{"LoadMissing", testLoadMissing},
		{"CommitLoad", testCommitLoad},
		{"CommitTwice", testCommitTwice},
		{"ClaimRereads", testClaimRereads},
		{"Delete", testDelete},
		{"Reload", testReload},
		{"EmptyRecord", testEmptyRecord},
		{"LargeRecord", testLargeRecord},
		{"Aliasing", testAliasing},
		{"Keys", testKeys},
		{"EmptyKey", testEmptyKey},
		{"ListSorted", testListSorted},
		{"ManyKeys", testManyKeys},
		{"LostCommit", testLostCommit},
		{"LostDelete", testLostDelete},
		{"LostBirth", testLostBirth},
		{"ReloadAfterLost", testReloadAfterLost},
		{"LoadDuringClaim", testLoadDuringClaim},
		{"KeysAreIndependent", testKeysAreIndependent},
		{"Busy", testBusy},
		{"ExpiredDeadlineTriesOnce", testExpiredDeadline},
		{"Cancelled", testCancelled},
		{"Waiter", testWaiter},
		{"ReleaseTwice", testReleaseTwice},
		{"Released", testReleased},
		{"Goroutines", testGoroutines},
		{"ReadersSeeWholeRecords", testReaders},
		{"Reserve", testReserve},
	}
	p := newPlace(t)
	if p.Name != "" {
		tests = append(tests, test{"Processes", testProcesses}, test{"ProcessKilled", testProcessKilled},
			test{"BusyNamesHolder", testBusyNamesHolder}, test{"CommitSurvivesKill", testCommitSurvivesKill})
		if standstill.Can {
			tests = append(tests, test{"ProcessStopped", testProcessStopped})
		}
	}
	if p.Cut != nil {
		tests = append(tests, test{"CutHolderSaves", testCutHolderSaves}, test{"CutHolderIsTooLate", testCutHolderIsTooLate},
			test{"ReleaseAfterCut", testReleaseAfterCut})
	}
	if _, ok := p.Open().(codexauth.Watcher); ok {
		tests = append(tests, test{"AwaitReturnsAtOnce", testAwaitReturnsAtOnce}, test{"AwaitRelease", testAwaitRelease},
			test{"AwaitCommit", testAwaitCommit}, test{"AwaitEndsWithContext", testAwaitEndsWithContext})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newPlace(t)) })
	}
}

// patient returns a context that ends when even a slow machine should be done.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// expired returns a context whose deadline has passed.
func expired(t testing.TB) context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	t.Cleanup(cancel)
	return ctx
}

func claim(t testing.TB, s codexauth.Store, key string) codexauth.Claim {
	t.Helper()
	c, err := s.Claim(patient(t), key)
	if err != nil {
		t.Fatalf("Claim(%q): %v", key, err)
	}
	t.Cleanup(func() { c.Release() })
	return c
}

func release(t testing.TB, c codexauth.Claim) {
	t.Helper()
	if err := c.Release(); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

func commit(t testing.TB, c codexauth.Claim, record string) {
	t.Helper()
	if err := c.Commit(patient(t), []byte(record)); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	wantRecord(t, c, record)
}

// put stores a record the proper way.
func put(t testing.TB, s codexauth.Store, key, record string) {
	t.Helper()
	c := claim(t, s, key)
	commit(t, c, record)
	release(t, c)
}

func wantRecord(t testing.TB, c codexauth.Claim, want string) {
	t.Helper()
	if got := c.Record(); got == nil || string(got) != want {
		t.Fatalf("Record() = %.80q (nil: %t), want %.80q", got, got == nil, want)
	}
}

func wantNoRecord(t testing.TB, c codexauth.Claim) {
	t.Helper()
	if got := c.Record(); got != nil {
		t.Fatalf("Record() = %.80q, want nil", got)
	}
}

func wantLoad(t testing.TB, s codexauth.Store, key, want string) {
	t.Helper()
	got, err := s.Load(patient(t), key)
	if err != nil {
		t.Fatalf("Load(%q): %v", key, err)
	}
	if got == nil || string(got) != want {
		t.Fatalf("Load(%q) = %.80q (nil: %t), want %.80q", key, got, got == nil, want)
	}
}

func wantNotFound(t testing.TB, s codexauth.Store, key string) {
	t.Helper()
	got, err := s.Load(patient(t), key)
	if !errors.Is(err, codexauth.ErrNotFound) || got != nil {
		t.Fatalf("Load(%q) = %.80q, %v, want nil, ErrNotFound", key, got, err)
	}
}

func wantBusy(t testing.TB, s codexauth.Store, key string) {
	t.Helper()
	c, err := s.Claim(expired(t), key)
	if err == nil {
		c.Release()
		t.Fatalf("Claim(%q) was granted while somebody held it", key)
	}
	if !errors.Is(err, codexauth.ErrBusy) {
		t.Fatalf("Claim(%q): %v, want ErrBusy", key, err)
	}
}
