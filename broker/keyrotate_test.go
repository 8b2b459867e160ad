package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newKey(t testing.TB, name string, change func(*Key)) (string, Key) {
	t.Helper()
	text, k, err := NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&k)
	}
	return text, k
}

// Both texts of a rotated key are taken until the overlap is over, and what the old
// one has under way ends then. They share limits, counters and memory.
func TestRotatedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := new(Keys)
		old, k := newKey(t, "ci", func(k *Key) { k.Streams = 1; k.Rate = Rate{N: 60, Per: time.Minute} })
		if err := ks.Replace([]Key{k}); err != nil {
			t.Fatal(err)
		}
		before := ks.find(old, time.Now())
		fresh, other := newKey(t, "ci", nil)
		k = k.Rotated(other.SHA256, time.Hour)
		if err := ks.Replace([]Key{k}); err != nil {
			t.Fatal(err)
		}
		after := ks.find(fresh, time.Now())
		if after == nil || ks.find(old, time.Now()) != before || ended(before) {
			t.Fatal("not both are taken, or what was under way is cut")
		}
		if after.stats != before.stats || after.meter != before.meter || after.memory != before.memory {
			t.Error("they share too little")
		}
		before.stats.open.Store(2) // this call and another, whichever text it came with
		if f := after.begin(&call{}); f == nil || f.code != "too_many_streams" {
			t.Errorf("a second stream: %v", f)
		}
		again := new(Keys) // another broker, or this one started again
		if err := again.Replace([]Key{k}); err != nil || again.find(old, time.Now()) == nil || again.find(fresh, time.Now()) == nil {
			t.Errorf("a server that starts: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if ks.find(old, time.Now()) != nil || !ended(before) || ks.find(fresh, time.Now()) != after || ended(after) {
			t.Error("the old text goes on, or the new one does not")
		}
	})
}

// A leaked text ends at once; of a key that is rotated twice, the oldest.
func TestRotatedKeyWithoutOverlap(t *testing.T) {
	ks := new(Keys)
	first, k := newKey(t, "ci", nil)
	second, other := newKey(t, "ci", nil)
	third, another := newKey(t, "ci", nil)
	for _, tt := range []struct {
		key   Key
		takes []string
		not   []string
	}{
		{k, []string{first}, []string{second, third}},
		{k.Rotated(other.SHA256, 0), []string{second}, []string{first, third}},
		{k.Rotated(other.SHA256, time.Hour).Rotated(another.SHA256, time.Hour), []string{second, third}, []string{first}},
	} {
		if err := ks.Replace([]Key{tt.key}); err != nil {
			t.Fatal(err)
		}
		for _, text := range tt.takes {
			if ks.find(text, time.Now()) == nil {
				t.Error("a text that is good is not taken")
			}
		}
		for _, text := range tt.not {
			if ks.find(text, time.Now()) != nil {
				t.Error("a text that has ended is taken")
			}
		}
	}
	if !ks.Revoke("ci") || ks.find(second, time.Now()) != nil || ks.find(third, time.Now()) != nil {
		t.Error("revoked, and a text is taken")
	}
}

// What a key may do and until when survives being kept, and putting its end off cuts
// nothing.
func TestKeptKeys(t *testing.T) {
	_, k := newKey(t, "ci", func(k *Key) {
		k.Metrics, k.Status, k.Login = true, true, "work"
		k.Expires = time.Now().Add(time.Hour).Round(time.Second).UTC()
	})
	_, other := newKey(t, "ci", nil)
	k = k.Rotated(other.SHA256, 2*time.Hour)
	if !k.BeforeEnds.Equal(k.Expires) {
		t.Errorf("the old text is good until %v, and the key until %v", k.BeforeEnds, k.Expires)
	}
	text, err := keysText([]Key{k})
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseKeys(text)
	if err != nil || len(list) != 1 || !list[0].same(k) || list[0].Before != k.Before || !list[0].BeforeEnds.Equal(k.BeforeEnds) || !list[0].Expires.Equal(k.Expires) {
		t.Fatalf("%+v %v", list, err)
	}
	ks := new(Keys)
	if err := ks.Replace(list); err != nil {
		t.Fatal(err)
	}
	held := ks.held()
	list[0].Expires = time.Time{}
	if err := ks.Replace(list); err != nil || ks.held()[0] != held[0] || !held[0].expires().IsZero() {
		t.Errorf("a key that goes on for ever is another: %v", err)
	}
}

// The end of a key is told a week and a day before, and when it has come, once each.
func TestKeysThatExpireAreToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, nil))
		ks := new(Keys)
		_, k := newKey(t, "ci", func(k *Key) { k.Expires = time.Now().Add(30 * 24 * time.Hour) })
		_, eternal := newKey(t, "eternal", nil)
		if err := ks.Replace([]Key{k, eternal}); err != nil {
			t.Fatal(err)
		}
		n := notices{}
		var days []int
		for day := range 40 {
			n.tell(log, ks.newest(), time.Now())
			n.tell(log, ks.newest(), time.Now())
			if said.Len() > 0 {
				days = append(days, day)
				if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "key=ci") || !strings.Contains(said.String(), "level=WARN") {
					t.Errorf("day %d: %s", day, said.String())
				}
				said.Reset()
			}
			time.Sleep(24 * time.Hour)
		}
		if len(days) != 3 || days[0] != 23 || days[1] != 29 || days[2] != 30 {
			t.Errorf("told on the days %v", days)
		}
	})
}

// While both texts of a key are good it is one key to whoever looks: the end of the old
// text is no end of it, and it was last used when either was.
func TestRotatedKeyIsOneKey(t *testing.T) {
	r := newRig(t, nil)
	old, k := newKey(t, "ci", func(k *Key) { k.Metrics, k.Status = true, true })
	fresh, other := newKey(t, "ci", nil)
	k = k.Rotated(other.SHA256, time.Hour)
	if err := r.keys.Replace([]Key{k}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fresh, old, fresh, old} {
		r.ask("GET", "/readyz", "", "Authorization", "Bearer "+text)
		_, text, _ := r.ask("GET", "/metrics", "", "Authorization", "Bearer "+text)
		if n := strings.Count(text, `codexauth_key_expiry_timestamp_seconds{client="key ci"}`); n != 0 {
			t.Errorf("it is to expire:\n%s", text)
		}
		if n := strings.Count(text, `codexauth_key_last_used_timestamp_seconds{client="key ci"}`); n != 1 {
			t.Errorf("it was last used %d times", n)
		}
	}
	var said bytes.Buffer
	(notices{}).tell(slog.New(slog.NewTextHandler(&said, nil)), r.keys.newest(), time.Now())
	if said.Len() > 0 {
		t.Errorf("the log says %s", said.String())
	}
	for _, c := range r.server.overviewOfClients(&call{client: client{}}, r.server.logins) {
		if c.Name == "key ci" && (!c.Expires.IsZero() || c.LastUsed.IsZero()) {
			t.Errorf("the overview has %+v", c)
		}
	}
}
