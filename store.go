package codexauth

import (
	"context"
	"errors"
)

// A Store keeps records under keys (a key is a profile's name: any text of 1 to
// 64 bytes; a store may allow more) and gives out the exclusive right to change one. It treats records as
// opaque bytes: their format, checksum and sealing are in this package.
//
// All methods may be called by any number of goroutines at once. Every error
// names what failed and, where a person can fix it, how; none holds a record.
// Authors of a Store run storetest.Run on it.
//
// A store that no other machine can use may have the method OneMachine() bool and
// return true: then a refresh whose process has died on this machine is taken over
// at once, and needs no further proof.
type Store interface {
	// Load returns the newest committed record of key, without waiting for a
	// claim. After a Commit returned nil on any machine, every later Load
	// anywhere returns that record or a newer one. The error wraps
	// [ErrNotFound] where there is none.
	Load(ctx context.Context, key string) ([]byte, error)

	// Claim waits for the exclusive right to change key: against every
	// goroutine, process and machine that shares the store. When ctx ends
	// first, the error wraps [ErrBusy] if the deadline passed (naming the
	// holder where the store knows it), or ctx's error if it was cancelled.
	// With a deadline that has already passed, Claim still makes one attempt.
	Claim(ctx context.Context, key string) (Claim, error)

	// List returns the keys that have a record, sorted.
	List(ctx context.Context) ([]string, error)
}

// A Claim is the exclusive right to change one key. It ends when it is released
// or when its holder dies, and not because its holder was slow: what is spent
// under it is a token at somebody else's server, which no store can take back.
//
// A Claim is used by one goroutine at a time.
type Claim interface {
	// Record returns what this claim last read or committed, beginning with
	// what was stored when the claim was won; nil if there is no record. The
	// caller must not change it.
	Record() []byte

	// Reload reads the record again and makes it the one that Commit compares
	// with. It works even if the underlying lock was lost (a broken
	// connection), so that a holder that was cut off can look before it saves.
	// A missing record is nil and no error.
	Reload(ctx context.Context) ([]byte, error)

	// Commit replaces the record if it is still the one that this claim last
	// read or committed, and otherwise returns an error that wraps [ErrLost]
	// and changes nothing. It compares the record alone: a holder whose lock
	// was lost can still save, unless somebody else has changed the record.
	// When Commit returns nil the record is durable. Any other error leaves it
	// open whether the record was replaced: Reload tells. Commit may be called
	// more than once.
	Commit(ctx context.Context, record []byte) error

	// Delete removes the record; it compares as Commit does.
	Delete(ctx context.Context) error

	// Release gives the right back. Calling it again does nothing.
	Release() error
}

// A Reserver is a Claim that can take beforehand what a Commit needs and that
// somebody else could take meanwhile: room on a disk, a quota, file descriptors.
// What is saved after a refresh can't be had again, so a rotation reserves before
// it sends anything. A Claim without it works as well: then a Commit may find the
// disk full that was not full a moment ago.
type Reserver interface {
	Claim

	// Reserve makes sure of one Commit of a record of up to size bytes. It changes
	// no record and is no Commit's replacement. Called again it makes sure of one
	// more. A Commit that succeeds uses one up; Release gives back what is left.
	// After an error nothing more is reserved than before.
	Reserve(ctx context.Context, size int) error
}

// Errors of a Store.
var (
	// ErrNotFound: the store has no record of this key.
	ErrNotFound = errors.New("no such record")
	// ErrBusy: somebody else held the claim until the deadline.
	ErrBusy = errors.New("the credential is in use by another process")
	// ErrLost: the record is not the one that was claimed; somebody changed it.
	ErrLost = errors.New("the record was changed by somebody else")
	// ErrStoreUnsafe: the store's place is not private to this user (others may
	// read or replace it, or it is a symbolic link), so nothing was read or written.
	ErrStoreUnsafe = errors.New("the store is not private")
)

// A Watcher is a [Store] that can tell those who wait for a claim when there may
// be nothing left to wait for. Where many wait, none of them then takes the claim
// only to find that the first has rotated: all look at once. A store that is no
// Watcher works as well, one waiter after the other. What wraps a Watcher has to
// pass Await on, or it is none.
type Watcher interface {
	// Await returns as soon as the record of key is another than old (nil: there
	// was none), or nobody holds its claim. It may return too early: the caller
	// looks for itself, and asks again. A store that was told the record as it is
	// by then returns it, which spares all who waited a Load at the same moment;
	// one that was not, or has none, returns nil. When ctx ends first, the error
	// wraps ctx's. One that wraps [ErrTransient] may pass; after any other the
	// caller waits with Claim.
	Await(ctx context.Context, key string, old []byte) (record []byte, err error)
}
