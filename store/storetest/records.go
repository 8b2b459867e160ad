package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"codexauth"
)

func testLoadMissing(t *testing.T, p Place) {
	s := p.Open()
	wantNotFound(t, s, "nobody")
	wantKeys(t, s)
	c := claim(t, s, "nobody")
	wantNoRecord(t, c)
	release(t, c)
	wantNotFound(t, s, "nobody") // a claim alone makes no record
	wantKeys(t, s)
}

func testCommitLoad(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, "work", "first")
	wantLoad(t, s, "work", "first")
	wantLoad(t, p.Open(), "work", "first")
	wantKeys(t, s, "work")
}

func testCommitTwice(t *testing.T, p Place) {
	s, other := p.Open(), p.Open()
	c := claim(t, s, "work")
	for _, record := range []string{"note", "token", "token", "a longer token", "short"} {
		commit(t, c, record)
		wantLoad(t, other, "work", record)
	}
}

func testClaimRereads(t *testing.T, p Place) {
	s, other := p.Open(), p.Open()
	put(t, s, "work", "1")
	wantLoad(t, s, "work", "1")
	put(t, other, "work", "2")
	wantRecord(t, claim(t, s, "work"), "2")
}

func testDelete(t *testing.T, p Place) {
	s := p.Open()
	put(t, s, "work", "x")
	put(t, s, "home", "y")
	c := claim(t, s, "work")
	for range 2 { // the second has nothing to delete, and says so by no error
		if err := c.Delete(patient(t)); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		wantNoRecord(t, c)
		wantNotFound(t, p.Open(), "work")
		wantKeys(t, s, "home")
	}
	commit(t, c, "reborn")
	release(t, c)
	wantLoad(t, s, "work", "reborn")
	wantLoad(t, s, "home", "y")
}

func testReload(t *testing.T, p Place) {
	s := p.Open()
	c := claim(t, s, "work")
	if got, err := c.Reload(patient(t)); got != nil || err != nil {
		t.Fatalf("Reload of no record = %q, %v, want nil, nil", got, err)
	}
	commit(t, c, "x")
	if got, err := c.Reload(patient(t)); string(got) != "x" || err != nil {
		t.Fatalf("Reload = %q, %v, want x", got, err)
	}
	wantRecord(t, c, "x")
	commit(t, c, "y")
	wantLoad(t, s, "work", "y")
}

// An empty record is a record: what it means is for its reader to say.
func testEmptyRecord(t *testing.T, p Place) {
	s := p.Open()
	c := claim(t, s, "work")
	commit(t, c, "")
	wantLoad(t, s, "work", "")
	if got, err := c.Reload(patient(t)); got == nil || len(got) != 0 || err != nil {
		t.Fatalf("Reload of an empty record = %q (nil: %t), %v", got, got == nil, err)
	}
	wantKeys(t, s, "work")
	if err := c.Commit(patient(t), nil); err != nil {
		t.Fatalf("Commit(nil): %v", err)
	}
	wantRecord(t, c, "")
	wantLoad(t, s, "work", "")
	commit(t, c, "full again")
	release(t, c)
	wantRecord(t, claim(t, s, "work"), "full again")
}

// 64 KiB are several times what a sealed record takes; every byte may occur.
func testLargeRecord(t *testing.T, p Place) {
	s := p.Open()
	large := make([]byte, 64<<10)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range large {
		large[i] = byte(source.Uint32())
	}
	put(t, s, "work", string(large))
	wantLoad(t, s, "work", string(large))
	put(t, s, "work", "small")
	wantLoad(t, s, "work", "small")
}

func testAliasing(t *testing.T, p Place) {
	s := p.Open()
	record := []byte("precious")
	c := claim(t, s, "work")
	if err := c.Commit(patient(t), record); err != nil {
		t.Fatal(err)
	}
	clear(record)
	wantRecord(t, c, "precious")
	wantLoad(t, s, "work", "precious")

	loaded, err := s.Load(patient(t), "work")
	if err != nil {
		t.Fatal(err)
	}
	clear(loaded)
	wantLoad(t, s, "work", "precious")
	wantRecord(t, c, "precious")
	commit(t, c, "still ours")
}

// awkwardKeys would collide, escape or vanish if a store took them for names of
// files, rows or paths as they are.
func awkwardKeys() []string {
	return []string{
		"work", "Work", "WORK", "work ", " work", "work.", "work..", ".work", "wörk", "wo\u0308rk",
		".", "..", "/", "//", "\\", "../work", "/work", "work/", "work/../work", "C:\\work", "C:",
		"con", "CON", "CON.txt", "nul", "aux", "com1", "lpt1.record", "~", "~root", "-rf", "--",
		"*", "?", "[a]", "{}", "$HOME", "`id`", "'", "\"", "';--", "%", "%s", "%77ork", "%00", "%2e",
		"a%", "=", "+", "&", "#", ":", "@", "|", "<>", "!", "\t", "\n", "a\nb", "\r\n", "\x00", "a\x00b",
		"\x7f", "\xff", "\xc3\x28", "\u202ework", "日本語", "🔑", "me@example.com", "record-work",
		"lock-work", "work.lock", "work.tmp", "0", "00", strings.Repeat("k", 64), strings.Repeat("K", 64),
		strings.Repeat("\xfe", 64), strings.Repeat("k", 63), strings.Repeat("k", 63) + "j",
	}
}

func testKeys(t *testing.T, p Place) {
	s := p.Open()
	keys := awkwardKeys()
	for i, key := range keys {
		wantNotFound(t, s, key)
		put(t, s, key, fmt.Sprint(i))
	}
	again := p.Open()
	for i, key := range keys {
		wantLoad(t, again, key, fmt.Sprint(i))
	}
	wantKeys(t, again, keys...)
}

func testEmptyKey(t *testing.T, p Place) {
	s := p.Open()
	if got, err := s.Load(patient(t), ""); err == nil {
		t.Errorf("Load of an empty key = %q, want an error", got)
	}
	if c, err := s.Claim(patient(t), ""); err == nil {
		c.Release()
		t.Error("Claim of an empty key was granted")
	}
}

func testListSorted(t *testing.T, p Place) {
	s := p.Open()
	for _, key := range []string{"b", "a", "B", "a.", "aa", "é", "A"} {
		put(t, s, key, "x")
	}
	wantKeys(t, s, "A", "B", "a", "a.", "aa", "b", "é") // by bytes
}

func testManyKeys(t *testing.T, p Place) {
	n := 1000
	switch {
	case testing.Short():
		n = 100
	case p.Fill != nil:
		n = 10_000
	}
	s := p.Open()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("runner-%05d", i)
	}
	few := keys
	if p.Fill != nil {
		few = keys[:10]
		put(t, s, "first", "x") // so that the store exists
		p.Fill(keys[10:], []byte("filled"))
	}
	putAll(t, s, few)
	if p.Fill != nil {
		wantKeys(t, s, append([]string{"first"}, keys...)...)
		wantLoad(t, s, keys[n-1], "filled")
		put(t, s, keys[n-1], keys[n-1])
	} else {
		wantKeys(t, s, keys...)
	}
	for _, key := range []string{few[0], few[len(few)/2], few[len(few)-1], keys[n-1]} {
		wantLoad(t, s, key, key)
	}
}

// putAll stores each key under itself, several at once.
func putAll(t *testing.T, s codexauth.Store, keys []string) {
	var all sync.WaitGroup
	limit := make(chan struct{}, 8)
	for _, key := range keys {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			if err := putErr(t, s, key, key); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// putErr is put for other goroutines than the test's.
func putErr(t testing.TB, s codexauth.Store, key, record string) error {
	c, err := s.Claim(patient(t), key)
	if err != nil {
		return err
	}
	return errors.Join(c.Commit(patient(t), []byte(record)), c.Release())
}

// testReaders: a reader without a claim gets a whole record, and never an older
// one than it has seen.
func testReaders(t *testing.T, p Place) {
	writer, reader := p.Open(), p.Open()
	c := claim(t, writer, "work")
	sized := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1+i*300) }
	if err := c.Commit(patient(t), sized(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		newest := 0
		for {
			select {
			case <-done:
				return
			default:
			}
			record, err := reader.Load(patient(t), "work")
			if err != nil {
				t.Errorf("Load: %v", err)
				return
			}
			i := int(record[0])
			if !bytes.Equal(record, sized(i)) {
				t.Errorf("Load returned a torn record of %d bytes", len(record))
				return
			}
			if i < newest {
				t.Errorf("Load returned record %d after %d", i, newest)
				return
			}
			newest = i
		}
	})
	for i := 1; i < 60; i++ {
		if err := c.Commit(patient(t), sized(i)); err != nil {
			t.Errorf("Commit: %v", err)
			break
		}
	}
	close(done)
	all.Wait()
}

func wantKeys(t testing.TB, s codexauth.Store, want ...string) {
	t.Helper()
	got, err := s.List(patient(t))
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Fatalf("List() = %.400q, want %.400q", got, want)
	}
}
