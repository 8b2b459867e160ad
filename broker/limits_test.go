package broker

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRate(t *testing.T) {
	for _, text := range []string{"", "60", "60/", "/m", "0/m", "-1/m", "1.5/m", "60/w", "60/M", "1000001/s", "60/m ", "sixty/m"} {
		if r, err := ParseRate(text); !errors.Is(err, ErrRate) {
			t.Errorf("%q: %v %v", text, r, err)
		}
	}
	for _, text := range []string{"1/s", "60/m", "1000/h", "5/d"} {
		if r, err := ParseRate(text); err != nil || r.String() != text {
			t.Errorf("%q: %v %v", text, r, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(Rate{N: 60, Per: time.Minute, Burst: 3})
		taken := func() (n int, wait time.Duration) {
			for wait = m.take(); wait == 0; wait = m.take() {
				n++
			}
			return n, wait
		}
		if n, wait := taken(); n != 3 || wait != time.Second {
			t.Errorf("at first %d, then %v", n, wait)
		}
		time.Sleep(999 * time.Millisecond)
		if n, wait := taken(); n != 0 || wait != time.Millisecond {
			t.Errorf("%d too early, then %v", n, wait)
		}
		time.Sleep(2001 * time.Millisecond)
		if n, _ := taken(); n != 3 {
			t.Errorf("%d after three seconds", n)
		}
		time.Sleep(time.Hour) // a rest gives the burst, and no more
		if n, _ := taken(); n != 3 {
			t.Errorf("%d after an hour", n)
		}
		all := 0
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			n, _ := taken()
			all += n
		}
		if all != 60 {
			t.Errorf("%d in a minute", all)
		}
	})
}

func TestKeyOfARate(t *testing.T) {
	r := newRig(t, nil)
	rated := r.addKey("rated", func(k *Key) { k.Rate = Rate{N: 2, Per: time.Hour} })
	auth := []string{"Authorization", "Bearer " + rated}
	for i, want := range []int{200, 200, 429, 429} {
		status, text, h := r.ask("GET", "/v1/models", "", auth...)
		if status != want {
			t.Fatalf("request %d: %d %s", i, status, text)
		}
		if want == 200 {
			continue
		}
		after, err := strconv.Atoi(h.Get("Retry-After"))
		if err != nil || after < 1 || after > 1800 || !strings.Contains(text, `"type":"requests"`) || !strings.Contains(text, `"code":"rate_limit_exceeded"`) || !strings.Contains(text, "2/h") {
			t.Errorf("%v %s", h, text)
		}
		if h.Get("X-Should-Retry") != "" {
			t.Error("clients are told not to try again")
		}
	}
	if status, _, _ := r.ask("GET", "/v1/models", ""); status != 200 {
		t.Errorf("another key: %d", status)
	}
}

func TestKeyOfSomePaths(t *testing.T) {
	r := newRig(t, nil)
	some := r.addKey("some", func(k *Key) { k.Paths = []string{"/v1/models", "/backend-api/codex/"}; k.Lease = true })
	for path, want := range map[string]int{
		"/v1/models": 200, "/backend-api/codex/models": 200, "/v1/responses": 403, "/metrics": 403,
		"/v1/models/": 404, "/backend-api/codex/../models": 400, "/backend-api/codex/%2e%2e/x": 400,
	} {
		status, text, _ := r.ask("GET", path, "", "Authorization", "Bearer "+some)
		if status != want || want == 403 && !strings.Contains(text, "path_refused") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, _, _ := r.ask("POST", "/token", "", "Authorization", "Bearer "+some); status != 200 {
		t.Errorf("a lease goes by its own right: %d", status)
	}
}

func TestStreamsOfAKey(t *testing.T) {
	r, ended := endless(t)
	two := r.addKey("two", func(k *Key) { k.Streams = 2; k.Rate = Rate{N: 3, Per: time.Hour} })
	open := func() *http.Response {
		resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt, "Authorization", "Bearer "+two))
		if resp.StatusCode == 200 {
			event(t, bufio.NewReader(resp.Body))
		}
		return resp
	}
	first, second := open(), open()
	for range 5 { // costs nothing of the rate
		if status, text, h := r.ask("GET", "/v1/models", "", "Authorization", "Bearer "+two); status != 429 || !strings.Contains(text, "too_many_streams") || h.Get("Retry-After") != "1" {
			t.Fatalf("a third: %d %s", status, text)
		}
	}
	first.Body.Close()
	wait(t, ended, "the end of a stream")
	for r.keys.held()[2].inUse() > 1 {
		time.Sleep(time.Millisecond)
	}
	if third := open(); third.StatusCode != 200 {
		t.Errorf("room is not given back: %s", third.Status)
	}
	second.Body.Close()
}

func (h *heldKey) inUse() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.calls)
}

func TestRequestsInAll(t *testing.T) {
	r, _ := endless(t, func(c *Config) { c.MaxRequests = 1 })
	resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
	event(t, bufio.NewReader(resp.Body))
	status, text, h := r.ask("GET", "/v1/models", "")
	if status != 503 || !strings.Contains(text, "overloaded") || h.Get("Retry-After") != "1" {
		t.Errorf("%d %v %s", status, h, text)
	}
	if status, _, _ := r.ask("GET", "/healthz", ""); status != 200 {
		t.Errorf("health: %d", status)
	}
}

// All bodies together are kept in a bounded space; who finds none left is passed
// on all the same.
func TestReplaySpaceIsBounded(t *testing.T) {
	all := &budget{limit: 10}
	a, b := newReplay(strings.NewReader("abcdef"), 100, all), newReplay(strings.NewReader("ghijkl"), 100, all)
	ra, rb := &replayReader{replay: a}, &replayReader{replay: b}
	buf := make([]byte, 100)
	for _, rd := range []*replayReader{ra, rb} {
		if n, err := rd.Read(buf); n != 6 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	}
	if _, err := a.again(); err != nil {
		t.Errorf("the first: %v", err)
	}
	if _, err := b.again(); !errors.Is(err, errNoReplay) {
		t.Errorf("the second: %v", err)
	}
	a.drop()
	b.drop()
	if n := all.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func TestKeyFileKeepsLimits(t *testing.T) {
	f := KeyFile(filepath.Join(t.TempDir(), "private", "keys.json"))
	_, k, err := NewKey("narrow")
	if err != nil {
		t.Fatal(err)
	}
	k.Paths, k.Rate, k.Streams = []string{"/v1/responses", "/v1/"}, Rate{60, time.Minute, 5}, 3
	if err := f.Change(t.Context(), func([]Key) ([]Key, error) { return []Key{k}, nil }); err != nil {
		t.Fatal(err)
	}
	keys, err := f.Load(t.Context())
	if err != nil || len(keys) != 1 || !reflect.DeepEqual(keys[0], k) {
		t.Errorf("%+v %v, want %+v", keys, err, k)
	}
	hash := strings.Repeat("ab", 32)
	old := fmt.Sprintf(`{"keys":[{"name":"old","sha256":%q,"lease":true,"expires":"2031-01-02T03:04:05Z"}]}`, hash)
	for text, ok := range map[string]bool{
		old: true,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"rate":"60/w"}]}`, hash):               false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"rate":"60/m","burst":-1}]}`, hash):    false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"streams":-1}]}`, hash):                false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"paths":["v1"]}]}`, hash):              false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"paths":["/v1/../token"]}]}`, hash):    false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q,"limit_of_tomorrow":1}]}`, hash):       false,
		fmt.Sprintf(`{"keys":[{"name":"a","sha256":%q},{"name":"a","sha256":%[1]q}]}`, hash): false,
	} {
		if err := os.WriteFile(string(f), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if keys, err := f.Load(t.Context()); (err == nil) != ok || !ok && !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: %+v %v", text, keys, err)
		}
	}
}

// When keys were used is saved now and then, with what other brokers
// wrote, and never into the file of keys.
func TestLastUsed(t *testing.T) {
	f := KeyFile(filepath.Join(t.TempDir(), "private", "keys.json"))
	var list []Key
	for _, name := range []string{"a", "b", "never"} {
		_, k, err := NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	if err := f.Change(t.Context(), func([]Key) ([]Key, error) { return list, nil }); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(string(f))
	if err != nil {
		t.Fatal(err)
	}
	use := func(name string, at int64) {
		ks := new(Keys)
		if err := ks.Replace(list); err != nil {
			t.Fatal(err)
		}
		for _, h := range ks.held() {
			if h.Name == name {
				h.used.Store(at)
			}
		}
		if err := saveUses(context.Background(), f, ks, uses{}); err != nil {
			t.Fatal(err)
		}
	}
	use("a", 1000)
	use("b", 3000)
	use("a", 500)
	lastUsed, err := f.LastUsed(t.Context())
	if err != nil || lastUsed(list[0]).Unix() != 1000 || lastUsed(list[1]).Unix() != 3000 || !lastUsed(list[2]).IsZero() {
		t.Errorf("%v %v %v, %v", lastUsed(list[0]), lastUsed(list[1]), lastUsed(list[2]), err)
	}
	list = list[:1]
	use("a", 4000)
	text, err := os.ReadFile(string(f) + ".used")
	if err != nil || strings.Count(string(text), "T") != 1 || !strings.Contains(string(text), hex.EncodeToString(list[0].SHA256[:])) {
		t.Errorf("a key that is gone stays: %s %v", text, err)
	}
	if after, err := os.ReadFile(string(f)); err != nil || string(after) != string(before) {
		t.Error("the file of keys was written")
	}
}

func TestDefaultLimits(t *testing.T) {
	for files, want := range map[uint64][2]int{20: {10, 22}, 1024: {298, 598}, 20000: {6624, 10240}, 1 << 20: {8192, 10240}, 1 << 62: {8192, 10240}} {
		if requests, conns := limitsFor(files); requests != want[0] || conns != want[1] {
			t.Errorf("%d files: %d requests, %d connections, want %v", files, requests, conns, want)
		}
	}
}
