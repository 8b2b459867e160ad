package codexauth_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// oddClock answers refreshes with tokens of an hour, as servers do whose clocks,
// caches and number formats are what they are.
type oddClock struct {
	date      time.Duration // the Date's error
	local     time.Duration // how far the issuer is ahead of this machine
	age       string
	iat, life bool // whether iat and expires_in are there
	exp       func(time.Time) any
}

func (o oddClock) answer(s *fakeServer) *http.Response {
	now := time.Now().Add(o.local)
	claims := map[string]any{"jti": fmt.Sprint(s.n), "exp": now.Add(time.Hour).Unix(),
		"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": "acc-1"}}
	if o.exp != nil {
		claims["exp"] = o.exp(now.Add(time.Hour))
	}
	if o.iat {
		claims["iat"] = now.Unix()
	}
	body := map[string]any{"access_token": jwt(claims), "refresh_token": s.current}
	if o.life {
		body["expires_in"] = 3600
	}
	resp := s.json(200, body)
	resp.Header.Set("Date", now.Add(o.date).UTC().Format(http.TimeFormat))
	if o.age != "" {
		resp.Header.Set("Age", o.age)
	}
	return resp
}

// Whatever the clocks say, a token that has just come is used for its life, as far
// as anybody can know that, and costs one request.
func TestClocksThatDisagree(t *testing.T) {
	const decade = 10 * 365 * 24 * time.Hour
	millis := func(t time.Time) any { return t.UnixMilli() }
	text := func(t time.Time) any { return fmt.Sprint(t.Unix()) }
	for name, o := range map[string]oddClock{
		"Date two hours ahead":                  {date: 2 * time.Hour, iat: true, life: true},
		"Date two hours behind":                 {date: -2 * time.Hour, iat: true, life: true},
		"Date ahead, no expires_in":             {date: 2 * time.Hour, iat: true},
		"Date behind, no expires_in":            {date: -2 * time.Hour, iat: true},
		"Date ahead, nothing but exp":           {date: 2 * time.Hour},
		"Date behind, nothing but exp":          {date: -2 * time.Hour},
		"Date ten years ahead":                  {date: decade, iat: true, life: true},
		"Date ten years behind, no expires_in":  {date: -decade, iat: true},
		"Date ten years ahead, nothing but exp": {date: decade},
		"a cache's Date":                        {date: -3 * time.Hour, age: "10800"},
		"we are ten years behind":               {local: decade, iat: true, life: true},
		"we are ten years ahead":                {local: -decade, iat: true, life: true},
		"we are ahead, Date behind":             {local: -decade, date: -2 * time.Hour, iat: true},
		"exp in milliseconds":                   {exp: millis},
		"exp as a string":                       {exp: text, iat: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				s.after = func(int, map[string]any) (*http.Response, error) { return o.answer(s), nil }
				first := mustToken(t, newManager(t, s, store))
				if ends := time.Now().Add(o.local + time.Hour); o.iat && first.Expiry.Sub(ends).Abs() > time.Minute {
					t.Errorf("other machines are told that it ends %v too late", first.Expiry.Sub(ends))
				}
				for _, at := range []time.Duration{0, time.Minute, 40 * time.Minute} {
					time.Sleep(at)
					m := newManager(t, s, store)
					if token, err := m.FreshToken(t.Context(), 0); err != nil || !token.AccessToken.Equal(first.AccessToken) {
						t.Fatalf("after %v: another token, %v", at, err)
					}
					m.Close()
				}
				if n, _ := s.counts(); n != 1 {
					t.Errorf("%d requests within the token's life", n)
				}
				time.Sleep(20 * time.Minute) // an hour and a minute in all
				if token := mustToken(t, newManager(t, s, store)); token.AccessToken.Equal(first.AccessToken) {
					t.Error("a token is served after its end")
				}
				if n, reuses := s.counts(); n != 2 || reuses != 0 {
					t.Errorf("%d requests, %d reuses", n, reuses)
				}
			})
		})
	}
}

// A token that has ended by every clock when it comes, or by its own word, is no
// reason to spend one refresh token after the other.
func TestTokenThatHasEndedIsNoLoop(t *testing.T) {
	for name, claims := range map[string]func(now time.Time) map[string]any{
		"by the clocks":   func(now time.Time) map[string]any { return map[string]any{"exp": now.Add(-time.Hour).Unix()} },
		"by its own word": func(now time.Time) map[string]any { return map[string]any{"iat": now.Unix(), "exp": now.Unix() - 9} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				s.after = func(int, map[string]any) (*http.Response, error) {
					return s.json(200, map[string]any{"access_token": jwt(claims(time.Now())), "refresh_token": s.current}), nil
				}
				for range 30 {
					m := newManager(t, s, store)
					m.FreshToken(t.Context(), 0)
					m.Close()
					time.Sleep(2 * time.Second)
				}
				if n, _ := s.counts(); n > 4 {
					t.Errorf("%d requests in a minute", n)
				}
			})
		})
	}
}

// The Date of a page that is not the authorization server's teaches nothing.
func TestPagesTeachNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.before = func(int) (*http.Response, error) {
			page := s.reply(503, "<html>closed</html>")
			page.Header.Set("Date", "Thu, 01 Jan 1998 00:00:00 GMT")
			return page, nil
		}
		for range 3 {
			if err := ask(t, s, store); err == nil {
				t.Fatal("an expired token was served")
			}
			time.Sleep(10 * time.Minute)
		}
		if rec := stored(t, store); len(rec.Skew) != 0 {
			t.Errorf("the clock was set by %v", rec.Skew)
		}
	})
}

// Tokens without an account id are a valid login, whatever they went through.
func TestLoginWithoutAnAccountID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.noAccount = true
		m := signIn(t, s, store)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		token := mustToken(t, m)
		h := http.Header{"Chatgpt-Account-Id": {"somebody's"}}
		token.SetHeaders(h)
		if token.AccountID != "" || h.Get("Chatgpt-Account-Id") != "" || h.Get("Authorization") == "" {
			t.Errorf("token %v, headers %d", token, len(h))
		}
		if got := mustToken(t, lessee(t, m)); !got.AccessToken.Equal(token.AccessToken) {
			t.Error("it can't be leased")
		}
		other := newManager(t, s, memory.New())
		c := foreign(s, "rt-x")
		if ok, err := other.Import(t.Context(), c, codexauth.SignInOptions{}); !ok || err != nil {
			t.Errorf("import: %v, %v", ok, err)
		}
		c.Account.ID = "acc-of-the-file" // known to the file alone
		third := newManager(t, s, memory.New())
		if ok, err := third.Import(t.Context(), c, codexauth.SignInOptions{}); !ok || err != nil {
			t.Errorf("import: %v, %v", ok, err)
		}
		if token := mustToken(t, third); token.AccountID != "acc-of-the-file" {
			t.Errorf("account %q", token.AccountID)
		}
	})
}
