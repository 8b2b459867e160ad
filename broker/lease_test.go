package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// get asks for a token; body may be empty.
func (r *rig) leaseToken(body string) (status int, got lease, text string) {
	r.Helper()
	status, text, h := r.ask("POST", "/token", body, "Authorization", "Bearer "+r.lease)
	if status == 200 {
		r.must(json.Unmarshal([]byte(text), &got))
		if h.Get("Cache-Control") != "no-store" {
			r.Error("a token may be cached")
		}
	}
	return status, got, text
}

func TestLease(t *testing.T) {
	r := newRig(t, nil)
	held, err := r.manager.Token(t.Context())
	r.must(err)
	want := lease{
		AccessToken: held.AccessToken.Reveal(), AccountID: held.AccountID, ExpiresAt: held.Expiry.UTC().Format(time.RFC3339),
		Issuer: r.sandbox.URL(),
	}
	for _, body := range []string{"", "{}", `{"not_sha256":""}`, `{"min_valid":600}`, `{"not_sha256":"` + hashOf("another one") + `"}`} {
		status, got, text := r.leaseToken(body)
		left := got.ExpiresIn - got.RefreshIn // the window of a token that lives an hour
		if got.ExpiresIn < 3500 || got.ExpiresIn > 3600 || left < 299 || left > 301 {
			t.Errorf("%s: in %d s, %d s", body, got.ExpiresIn, got.RefreshIn)
		}
		got.ExpiresIn, got.RefreshIn = 0, 0
		if status != 200 || got != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if c := r.sandbox.Counters(); c.RefreshRequests != 0 {
		t.Errorf("%d refreshes", c.RefreshRequests)
	}
	for _, body := range []string{"null x", "[]", `{"not_sha256":5}`, `{"not_sha256":"abc"}`, `{"not_sha256":"` + strings.Repeat("z", 64) + `"}`, `{"other":1}`, "{}{}", `{"min_valid":-1}`, `{"min_valid":"1m"}`, `{"min_valid":1e30}`} {
		if status, _, text := r.leaseToken(body); status != 400 || !strings.Contains(text, "bad_request") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

// Twenty clients whose token was refused get one new token, for one refresh; who
// comes late with the old one is told the new one and costs nothing.
func TestLeaseOfAnotherToken(t *testing.T) {
	r := newRig(t, nil)
	old := r.token()
	body := fmt.Sprintf(`{"not_sha256":%q}`, strings.ToUpper(hashOf(old)))
	var all sync.WaitGroup
	tokens := make([]string, 20)
	for i := range tokens {
		all.Go(func() {
			status, got, text := r.leaseToken(body)
			if status != 200 {
				t.Errorf("%d %s", status, text)
			}
			tokens[i] = got.AccessToken
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token == old || token != tokens[0] {
			t.Fatal("not one new token")
		}
	}
	if _, got, _ := r.leaseToken(body); got.AccessToken != tokens[0] {
		t.Error("the late one got another token")
	}
	if c := r.sandbox.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
}

// A client that refuses token after token can't make the broker spend them.
func TestLeaseDoesNotSpendTokenAfterToken(t *testing.T) {
	r := newRig(t, nil)
	token := r.token()
	refused := 0
	for range 5 {
		status, got, text := r.leaseToken(fmt.Sprintf(`{"not_sha256":%q}`, hashOf(token)))
		switch {
		case status == 200:
			token = got.AccessToken
		case status == 503 && strings.Contains(text, "try_later"):
			refused++
		default:
			t.Errorf("%d %s", status, text)
		}
	}
	if c := r.sandbox.Counters(); c.Refreshes > 1 || refused < 4 {
		t.Errorf("%d refreshes, %d refused", c.Refreshes, refused)
	}
	// Nor take the present one away from the others.
	if status, got, text := r.leaseToken(""); status != 200 || got.AccessToken != token {
		t.Errorf("%d %s", status, text)
	}
}

// The status is for those who may lease, costs no refresh and holds no token.
func TestStatus(t *testing.T) {
	r := newRig(t, nil)
	if status, text, _ := r.ask("GET", "/status", ""); status != 403 || !strings.Contains(text, "lease_refused") {
		t.Errorf("for a key that may not lease: %d %s", status, text)
	}
	ask := func() (got status, text string) {
		code, text, _ := r.ask("GET", "/status", "", "Authorization", "Bearer "+r.lease)
		if code != 200 {
			t.Fatalf("%d %s", code, text)
		}
		r.must(json.Unmarshal([]byte(text), &got))
		return got, text
	}
	held, err := r.manager.Token(t.Context())
	r.must(err)
	got, text := ask()
	if got.State != codexauth.StateValid || got.AccountID != held.AccountID || got.Issuer != r.sandbox.URL() || got.Email == "" ||
		got.ExpiresAt != held.Expiry.UTC().Format(time.RFC3339) || strings.Contains(text, held.AccessToken.Reveal()) {
		t.Errorf("%s", text)
	}
	r.must(r.manager.SignOut(t.Context(), false))
	if got, text := ask(); got.State != codexauth.StateSignedOut || got.AccountID != "" {
		t.Errorf("%s", text)
	}
	if c := r.sandbox.Counters(); c.RefreshRequests != 0 {
		t.Errorf("%d refreshes", c.RefreshRequests)
	}
}

func TestNoTokenToBeHad(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "status", Arg: "503"}))
	status, text, h := r.ask("POST", "/token", fmt.Sprintf(`{"not_sha256":%q}`, hashOf(r.token())), "Authorization", "Bearer "+r.lease)
	if status != 503 || !strings.Contains(text, "try_later") || h.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", status, h, text)
	}
	r = newRig(t, nil)
	r.must(r.manager.SignOut(t.Context(), false))
	for path, body := range map[string]string{"/token": "{}", "/v1/responses": prompt, "/v1/chat/completions": `{"model":"m","messages":[{"role":"user","content":"x"}]}`, "/backend-api/codex/responses": "{}"} {
		status, text, h := r.ask("POST", path, body, "Authorization", "Bearer "+r.lease)
		if status != 503 || !strings.Contains(text, "signed_out") || h.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: %d %v %s", path, status, h, text)
		}
	}
}

func TestUpstreamIsDown(t *testing.T) {
	r := newRig(t, nil)
	r.token()
	r.sandbox.Close()
	status, text, _ := r.ask("POST", "/v1/responses", prompt)
	if status != 502 || !strings.Contains(text, "upstream_failed") {
		t.Errorf("%d %s", status, text)
	}
}

func TestKeys(t *testing.T) {
	ks := new(Keys)
	for _, name := range []string{"", "a b", "ä", strings.Repeat("a", 65), "a\nb"} {
		if _, _, err := NewKey(name); !errors.Is(err, ErrKeyName) {
			t.Errorf("%q: %v", name, err)
		}
		if err := ks.Add(Key{Name: name}); !errors.Is(err, ErrKeyName) {
			t.Errorf("Add %q: %v", name, err)
		}
	}
	text, k, err := NewKey("ci")
	if err != nil || ks.Add(k) != nil || !errors.Is(ks.Add(k), ErrKeyName) {
		t.Error("Add")
	}
	if strings.Contains(fmt.Sprintf("%+v %x", k, k.SHA256), text) || len(text) < 30 {
		t.Error("a key holds its text, or is short")
	}
	now := time.Now()
	if h := ks.find(text, now); h == nil || h.Name != "ci" {
		t.Error("the key is not found")
	}
	if ks.find(text+"x", now) != nil || ks.find("", now) != nil {
		t.Error("another key is found")
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	m, err := codexauth.NewManager(codexauth.Config{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, cfg := range []Config{{}, {Manager: m, Backend: "nonsense"}, {Manager: m, Backend: "https://a:b@c/"}, {Manager: m, Backend: "https://c/?q"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v passes", cfg)
		}
	}
}
