package broker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// newPair is a broker with two logins, each at a server of its own.
func newPair(t *testing.T) (r, second *rig) {
	second = newRig(t, nil)
	r = newRig(t, nil, func(c *Config) {
		c.Logins = []Login{{"a", c.Manager, c.Backend}, {"b", second.manager, second.server.cfg.Backend}}
	})
	return r, second
}

// A key is for one login, whatever it asks for; none stands in for another.
func TestKeyOfALogin(t *testing.T) {
	r, second := newPair(t)
	with := func(change func(*Key)) []string {
		return []string{"Authorization", "Bearer " + r.addKey(fmt.Sprint("k", len(r.keys.held())), change)}
	}
	unnamed := with(func(k *Key) { k.Lease = true })
	a := with(func(k *Key) { k.Lease = true; k.Login = "a" })
	b := with(func(k *Key) { k.Lease = true; k.Login = "b" })
	other := with(func(k *Key) { k.Login = "c" })
	for _, tt := range []struct {
		auth []string
		want *rig
	}{{unnamed, r}, {a, r}, {b, second}, {a, r}} {
		_, text, _ := r.ask("POST", "/token", "", tt.auth...)
		var l lease
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.AccessToken != tt.want.token() {
			t.Errorf("a lease of another login, or %v", err)
		}
		r.sandbox.ResetCounters()
		second.sandbox.ResetCounters()
		if status, text, _ := r.ask("POST", "/v1/responses", prompt, tt.auth...); status != 200 {
			t.Errorf("%d %s", status, text)
		}
		if status, _, _ := r.ask("POST", "/backend-api/codex/responses", prompt, tt.auth...); status != 200 {
			t.Errorf("pass-through: %d", status)
		}
		for _, at := range []*rig{r, second} {
			if got := at.sandbox.Counters().BackendRequests; (got > 0) != (at == tt.want) {
				t.Errorf("%d requests reached a backend; it is the key's own: %t", got, at == tt.want)
			}
		}
	}
	status, text, _ := r.ask("GET", "/v1/models", "", other...)
	if status != 403 || !strings.Contains(text, "login_not_served") {
		t.Errorf("a login that is not served: %d %s", status, text)
	}
	// The second one's end is the second one's alone.
	r.must(second.manager.SignOut(t.Context(), false))
	second.manager.Close()
	if status, text, _ := r.ask("POST", "/v1/responses", prompt, b...); status != 503 {
		t.Errorf("signed out: %d %s", status, text)
	}
	if status, _, _ := r.ask("POST", "/v1/responses", prompt, a...); status != 200 {
		t.Errorf("the other login: %d", status)
	}
}

// A broker is of use as long as one login works. Which one does not is for those who
// may know.
func TestReadyOfSeveralLogins(t *testing.T) {
	r, second := newPair(t)
	watcher := r.addKey("watcher", func(k *Key) { k.Status = true; k.Login = "b" })
	ghost := r.addKey("ghost", func(k *Key) { k.Lease, k.Status = true, true; k.Login = "c" })
	r.must(r.manager.SignOut(t.Context(), false))
	if status, body, text, _ := r.ready(); status != 200 || body.Logins != nil {
		t.Errorf("one of two: %d %s", status, text)
	}
	for _, auth := range []string{"", "Bearer " + r.key, "Bearer " + ghost} {
		if _, body, text, _ := r.ready("Authorization", auth); body.Logins != nil {
			t.Errorf("it tells logins: %s", text)
		}
	}
	status, body, text, _ := r.ready("Authorization", "Bearer "+watcher)
	if status != 200 || !slices.Equal(body.Logins, []readyLogin{{"b", "ready", ""}}) {
		t.Errorf("with the right: %d %s", status, text)
	}
	_, body, text, _ = r.ready("Authorization", "Bearer "+r.addKey("first", func(k *Key) { k.Lease = true }))
	if !slices.Equal(body.Logins, []readyLogin{{"a", "signed_out", healthSignedOut.message}}) {
		t.Errorf("the first one's: %s", text)
	}
	if all := readyLogins(r.server.loginsFor(client{own: true})); len(all) != 2 {
		t.Errorf("this user gets %v", all)
	}
	if status, _, _ := r.ask("GET", "/status", "", "Authorization", "Bearer "+watcher); status != 200 {
		t.Errorf("the status: %d", status)
	}
	r.must(second.manager.SignOut(t.Context(), false))
	if status, body, text, _ := r.ready(); status != 503 || body.Status != "signed_out" {
		t.Errorf("none: %d %s", status, text)
	}
}

// Who reads the metrics needs the right to; the key that names the path has it.
func TestRightToTheMetrics(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		change func(*Key)
		status int
	}{
		{nil, 403},
		{func(k *Key) { k.Lease, k.Status = true, true }, 403},
		{func(k *Key) { k.Paths = []string{"/"} }, 403},
		{func(k *Key) { k.Metrics = true }, 200},
		{func(k *Key) { k.Paths = []string{"/metrics"} }, 200},
		{func(k *Key) { k.Metrics = true; k.Paths = []string{"/v1/models"} }, 200},
	} {
		key := r.addKey(fmt.Sprint("k", len(r.keys.held())), tt.change)
		if status, text, _ := r.ask("GET", "/metrics", "", "Authorization", "Bearer "+key); status != tt.status {
			t.Errorf("%d, want %d: %.100s", status, tt.status, text)
		}
	}
}

// The metrics tell whose a login is to those who may ask for its status, and to nobody
// else who may read them.
func TestMetricsTellWhoseLoginItIs(t *testing.T) {
	r, _ := newPair(t)
	token, err := r.manager.Token(t.Context())
	r.must(err)
	for name, tt := range map[string]struct {
		change func(*Key)
		want   []string
	}{
		"metrics alone":          {func(k *Key) { k.Metrics = true }, nil},
		"the path alone":         {func(k *Key) { k.Paths = []string{"/metrics"}; k.Login = "b" }, nil},
		"the first one's":        {func(k *Key) { k.Metrics, k.Status = true, true }, []string{"a"}},
		"the second one's":       {func(k *Key) { k.Metrics, k.Lease = true, true; k.Login = "b" }, []string{"b"}},
		"the status by its path": {func(k *Key) { k.Paths = []string{"/metrics", "/status"} }, []string{"a"}},
	} {
		key := r.addKey(fmt.Sprint("k", len(r.keys.held())), tt.change)
		_, text, _ := r.ask("GET", "/metrics", "", "Authorization", "Bearer "+key)
		var got []string
		for _, profile := range []string{"a", "b"} {
			if strings.Contains(text, `codexauth_login_info{profile="`+profile+`"`) {
				got = append(got, profile)
			}
			if !strings.Contains(text, `codexauth_login_state{profile="`+profile+`",state="valid"} 1`) {
				t.Errorf("%s: no state of %s", name, profile)
			}
		}
		if !slices.Equal(got, tt.want) || strings.Contains(text, token.AccountID) != (tt.want != nil) {
			t.Errorf("%s: it tells whose %v are", name, got)
		}
	}
	if other := (client{name: "uid 1"}); r.server.loginsFor(other) != nil {
		t.Error("another user of the socket is told")
	}
}

// A thousand logins in one server: what they take in memory, and to start.
func TestAThousandLogins(t *testing.T) {
	const many = 1000
	store := memory.New()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	logins := make([]Login, many)
	for i := range logins {
		m, err := codexauth.NewManager(codexauth.Config{Store: store, Key: fmt.Sprint("login-", i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		logins[i] = Login{Name: fmt.Sprint("login-", i), Manager: m}
	}
	s, err := New(Config{Logins: logins, Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	each := (after.TotalAlloc - before.TotalAlloc) / many // garbage included, which is no less
	t.Logf("%d logins: %d bytes each, made in %v", many, each, took)
	if each > 16<<10 {
		t.Errorf("%d bytes for each login", each)
	}
	runtime.KeepAlive(s)
}
