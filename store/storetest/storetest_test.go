package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/memory"
	"codexauth/store/storetest"
)

const flawVar = "CODEXAUTH_STORETEST_FLAW"

// flawed is a Store with one method of its own or its claims' replaced by one
// that breaks the contract.
type flawed struct {
	codexauth.Store
	load  func(ctx context.Context, key string) ([]byte, error)
	claim func(ctx context.Context, key string) (codexauth.Claim, error)
	list  func(ctx context.Context) ([]string, error)
	wrap  func(codexauth.Claim, string) codexauth.Claim
	await func(ctx context.Context, old []byte) ([]byte, error) // if not nil, the store is a Watcher
}

// flawedWatcher is a flawed store that is a Watcher.
type flawedWatcher struct{ *flawed }

func (f flawedWatcher) Await(ctx context.Context, _ string, old []byte) ([]byte, error) {
	return f.await(ctx, old)
}

func (f *flawed) Load(ctx context.Context, key string) ([]byte, error) {
	if f.load != nil {
		return f.load(ctx, key)
	}
	return f.Store.Load(ctx, key)
}

func (f *flawed) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	claim := f.Store.Claim
	if f.claim != nil {
		claim = f.claim
	}
	c, err := claim(ctx, key)
	if err == nil && f.wrap != nil {
		c = f.wrap(c, key)
	}
	return c, err
}

func (f *flawed) List(ctx context.Context) ([]string, error) {
	if f.list != nil {
		return f.list(ctx)
	}
	return f.Store.List(ctx)
}

// flawedClaim overrides single methods of a Claim.
type flawedClaim struct {
	codexauth.Claim
	record  func() []byte
	commit  func(context.Context, []byte) error
	delete  func(context.Context) error
	release func() error
}

func (c flawedClaim) Record() []byte {
	if c.record != nil {
		return c.record()
	}
	return c.Claim.Record()
}

func (c flawedClaim) Commit(ctx context.Context, record []byte) error {
	if c.commit != nil {
		return c.commit(ctx, record)
	}
	return c.Claim.Commit(ctx, record)
}

func (c flawedClaim) Delete(ctx context.Context) error {
	if c.delete != nil {
		return c.delete(ctx)
	}
	return c.Claim.Delete(ctx)
}

func (c flawedClaim) Release() error {
	if c.release != nil {
		return c.release()
	}
	return c.Claim.Release()
}

// openAtCommit lets others in for a moment after each commit.
func openAtCommit(s *memory.Store) *flawed {
	return &flawed{Store: s, wrap: func(c codexauth.Claim, key string) codexauth.Claim {
		return flawedClaim{Claim: c, commit: func(ctx context.Context, record []byte) error {
			if err := c.Commit(ctx, record); err != nil {
				return err
			}
			c.Release()
			for range 1000 {
				runtime.Gosched()
			}
			var err error
			c, err = s.Claim(ctx, key)
			return err
		}, release: func() error { return c.Release() }}
	}}
}

// flaws maps the name of a test to a store that it must fail.
func flaws() map[string]func(*memory.Store) *flawed {
	return map[string]func(*memory.Store) *flawed{
		// Any claim is granted at once.
		"ExpiredDeadlineTriesOnce": func(s *memory.Store) *flawed {
			return &flawed{Store: s, claim: func(ctx context.Context, key string) (codexauth.Claim, error) {
				c, err := s.Claim(ctx, key)
				if err == nil {
					c.Release()
				}
				return s.Claim(ctx, key)
			}, wrap: func(c codexauth.Claim, _ string) codexauth.Claim {
				c.Release()
				return flawedClaim{Claim: c, commit: func(context.Context, []byte) error { return nil }}
			}}
		},
		"Goroutines": openAtCommit,
		"Waiter":     openAtCommit,
		"Busy": func(s *memory.Store) *flawed { // an error of another kind
			return &flawed{Store: s, claim: func(ctx context.Context, key string) (codexauth.Claim, error) {
				c, err := s.Claim(ctx, key)
				if errors.Is(err, codexauth.ErrBusy) {
					err = ctx.Err()
				}
				return c, err
			}}
		},
		"Cancelled": func(s *memory.Store) *flawed { // told as busy
			return &flawed{Store: s, claim: func(ctx context.Context, key string) (codexauth.Claim, error) {
				c, err := s.Claim(ctx, key)
				if err != nil {
					err = codexauth.ErrBusy
				}
				return c, err
			}}
		},
		"LoadMissing": func(s *memory.Store) *flawed { // no error
			return &flawed{Store: s, load: func(ctx context.Context, key string) ([]byte, error) {
				record, _ := s.Load(ctx, key)
				return record, nil
			}}
		},
		"LoadDuringClaim": func(s *memory.Store) *flawed { // the record of the time before
			stale := map[string][]byte{}
			return &flawed{Store: s, load: func(ctx context.Context, key string) ([]byte, error) {
				if record, ok := stale[key]; ok {
					return bytes.Clone(record), nil
				}
				record, err := s.Load(ctx, key)
				if err == nil {
					stale[key] = bytes.Clone(record)
				}
				return record, err
			}}
		},
		"ListSorted": func(s *memory.Store) *flawed {
			return &flawed{Store: s, list: func(ctx context.Context) ([]string, error) {
				keys, err := s.List(ctx)
				slices.Reverse(keys)
				return keys, err
			}}
		},
		"Aliasing": func(s *memory.Store) *flawed { // keeps the caller's slice
			kept := map[string][]byte{}
			return &flawed{Store: s,
				load: func(_ context.Context, key string) ([]byte, error) { return kept[key], nil },
				wrap: func(c codexauth.Claim, key string) codexauth.Claim {
					return flawedClaim{Claim: c,
						record: func() []byte { return kept[key] },
						commit: func(_ context.Context, record []byte) error {
							kept[key] = record
							return nil
						}}
				}}
		},
		"EmptyRecord": func(s *memory.Store) *flawed { // taken for none
			return &flawed{Store: s, load: func(ctx context.Context, key string) ([]byte, error) {
				record, err := s.Load(ctx, key)
				if len(record) == 0 {
					return nil, codexauth.ErrNotFound
				}
				return record, err
			}}
		},
		"LargeRecord": func(s *memory.Store) *flawed { // cut off
			return &flawed{Store: s, wrap: func(c codexauth.Claim, _ string) codexauth.Claim {
				return flawedClaim{Claim: c, commit: func(ctx context.Context, record []byte) error {
					return c.Commit(ctx, record[:min(len(record), 65535)])
				}}
			}}
		},
		"Keys": func(s *memory.Store) *flawed { // upper and lower case are one
			return &flawed{Store: s,
				load: func(ctx context.Context, key string) ([]byte, error) { return s.Load(ctx, strings.ToLower(key)) },
				claim: func(ctx context.Context, key string) (codexauth.Claim, error) {
					return s.Claim(ctx, strings.ToLower(key))
				}}
		},
		"EmptyKey": func(s *memory.Store) *flawed {
			return &flawed{Store: s, claim: func(ctx context.Context, key string) (codexauth.Claim, error) {
				return s.Claim(ctx, "k"+key)
			}}
		},
		"Delete": func(s *memory.Store) *flawed { // does nothing
			return &flawed{Store: s, wrap: func(c codexauth.Claim, _ string) codexauth.Claim {
				return flawedClaim{Claim: c, delete: func(context.Context) error { return nil }}
			}}
		},
		"LostCommit": func(s *memory.Store) *flawed { return &flawed{Store: s} }, // memory does not compare
		"LostDelete": func(s *memory.Store) *flawed { return &flawed{Store: s} },
		"LostBirth":  func(s *memory.Store) *flawed { return &flawed{Store: s} },
		"AwaitRelease": func(s *memory.Store) *flawed { // lets all go on while somebody holds the claim
			return &flawed{Store: s, await: func(context.Context, []byte) ([]byte, error) { return nil, nil }}
		},
		"AwaitReturnsAtOnce": func(s *memory.Store) *flawed { // returns what was there before
			return &flawed{Store: s, await: func(_ context.Context, old []byte) ([]byte, error) { return old, nil }}
		},
		"AwaitCommit": func(s *memory.Store) *flawed { // never sees anything
			return &flawed{Store: s, await: func(ctx context.Context, _ []byte) ([]byte, error) {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				return nil, errors.New("nothing was seen")
			}}
		},
		"Released": func(s *memory.Store) *flawed { // commits all the same
			return &flawed{Store: s, wrap: func(c codexauth.Claim, key string) codexauth.Claim {
				return flawedClaim{Claim: c, commit: func(ctx context.Context, record []byte) error {
					if c.Commit(ctx, record) == nil {
						return nil
					}
					again, err := s.Claim(ctx, key)
					if err != nil {
						return err
					}
					return errors.Join(again.Commit(ctx, record), again.Release())
				}}
			}}
		},
		"ReleaseTwice": func(s *memory.Store) *flawed { // frees whoever holds it
			var newest codexauth.Claim
			return &flawed{Store: s, wrap: func(c codexauth.Claim, _ string) codexauth.Claim {
				newest = c
				return flawedClaim{Claim: c, release: func() error { return newest.Release() }}
			}}
		},
	}
}

// overwrite changes a record behind the back of the suite, which believes that
// it holds the claim: through that very claim, for the memory store knows no
// other way.
func (f *flawed) overwrite(t *testing.T, held *codexauth.Claim) func(string, []byte) {
	return func(_ string, record []byte) {
		if err := (*held).Commit(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSuiteFindsFlaws runs the suite in child processes on stores that are wrong
// in one way each.
func TestSuiteFindsFlaws(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range flaws() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFlawed$/^"+name+"$", "-test.v")
			cmd.Env = append(os.Environ(), flawVar+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestFlawed/"+name)) {
				t.Errorf("the suite did not find the flaw: %v\n%s", err, out)
			}
		})
	}
}

// TestFlawed is the child's part of TestSuiteFindsFlaws.
func TestFlawed(t *testing.T) {
	newFlawed, ok := flaws()[os.Getenv(flawVar)]
	if !ok {
		return // only a child of TestSuiteFindsFlaws has anything to do here
	}
	storetest.Run(t, func(t *testing.T) storetest.Place {
		f := newFlawed(memory.New())
		var held codexauth.Claim
		wrap := f.wrap
		f.wrap = func(c codexauth.Claim, key string) codexauth.Claim {
			held = c
			if wrap != nil {
				return wrap(c, key)
			}
			return c
		}
		return storetest.Place{
			Open: func() codexauth.Store {
				if f.await != nil {
					return flawedWatcher{f}
				}
				return f
			},
			Overwrite: f.overwrite(t, &held),
		}
	})
}
