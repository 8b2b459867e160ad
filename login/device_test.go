package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
)

func TestDeviceApproved(t *testing.T) {
	for _, rfc := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &deviceServer{t: t, rfc: rfc, polls: []turn{{status: 403}, {status: 404}, {status: 200, body: serviceSuccess}}}
			if rfc {
				s.polls = []turn{rfcError("authorization_pending"), rfcError("authorization_pending"), {status: 200, body: rfcSuccess}}
			}
			r := s.run(t.Context(), Device{})
			if r.err != nil || len(r.grants) != 1 {
				t.Fatalf("%v, %d grants", r.err, len(r.grants))
			}
			if want := []time.Duration{5500 * time.Millisecond, 11 * time.Second, 16500 * time.Millisecond}; !slices.Equal(s.polled, want) {
				t.Errorf("polled at %v", s.polled)
			}
			checkApproval(t, r, rfc)
		})
	}
}

func checkApproval(t *testing.T, r deviceRun, rfc bool) {
	lifetime := 15 * time.Minute
	code := DeviceCode{UserCode: "ABCD-1234", VerificationURL: deviceIssuer + "/codex/device", Host: "auth.example"}
	g := r.grants[0]
	if rfc {
		lifetime = 10 * time.Minute
		code = DeviceCode{UserCode: "ABCD-1234", VerificationURL: "https://page.example/device",
			CompleteURL: "https://page.example/device?c=ABCD-1234", Host: "page.example"}
		c := &oauth.Client{ClientID: "me", Endpoints: oauth.Endpoints{Issuer: deviceIssuer, Token: deviceIssuer + "/token"}}
		if a, err := c.Exchange(t.Context(), oauth.Grant(g)); err != nil || a.RefreshToken != "planted-refresh" {
			t.Errorf("the answer is not in the grant: %v", err)
		}
	} else if g.Code != "planted-code" || g.Verifier != pairVerifier || g.RedirectURI != deviceIssuer+"/deviceauth/callback" {
		t.Errorf("code of %d characters for %s", len(g.Code), g.RedirectURI)
	}
	code.ExpiresAt = time.Now().Add(lifetime - r.took)
	if r.events[0] != code {
		t.Errorf("shown %+v, want %+v", r.events[0], code)
	}
	// Three waits of 5.5 s: six events each.
	if w := r.events[1].(Waiting); w.Left != lifetime || len(r.events) != 1+18 {
		t.Errorf("%d events, the first wait with %v left", len(r.events), w.Left)
	}
}

// Every answer that does not end the sign-in, and how long it is waited for
// after it.
func TestDeviceGoesOn(t *testing.T) {
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		rfc   bool
		start string
		polls []turn
		gaps  []float64 // seconds before each poll
	}{
		{"no interval", false, `{"device_auth_id":"planted-device","usercode":"ABCD-1234"}`, nil, []float64{5.5}},
		{"interval 0", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":"0"}`, nil, []float64{5.5}},
		{"negative", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":-3}`, nil, []float64{5.5}},
		{"tiny", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":0.001}`, nil, []float64{1.2}},
		{"nonsense", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":{"a":1}}`, nil, []float64{5.5}},
		{"number", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":10}`, nil, []float64{11}},
		{"huge", false, `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":"4000"}`, nil, []float64{66}},
		{"429", false, "", []turn{{status: 429}, {status: 403}}, []float64{5.5, 22, 11}},
		{"retry-after", false, "", []turn{{status: 429, retryAfter: "100"}}, []float64{5.5, 110}},
		{"5xx", false, "", []turn{{status: 500}, {status: 502, body: "<html>"}, {status: 503, retryAfter: "90"}, {status: 500}, {status: 404}, {status: 500}},
			[]float64{5.5, 11, 22, 99, 66, 5.5, 11}},
		{"no answer", false, "", []turn{{err: refused}, {hang: true}, {status: 403}}, []float64{5.5, 11, 15 + 22, 5.5}},
		{"captive portal", false, "", []turn{{status: 200, body: "<html>"}, {status: 302}, {status: 400, body: "<html>"}, {status: 200}}, []float64{5.5, 11, 22, 44, 66}},
		{"a gateway's 403", false, "", []turn{{status: 403, body: "<html>"}, {status: 404, body: "<html>"}, {status: 403}}, []float64{5.5, 11, 22, 5.5}},
		{"another code", false, "", []turn{{status: 403, body: `{"error":{"code":"rate_exceeded"}}`}, {status: 403, body: `{"error":{"code":"deviceauth_authorization_unknown"}}`}},
			[]float64{5.5, 11, 5.5}},
		{"slow_down", true, "", []turn{rfcError("slow_down"), rfcError("slow_down"), rfcError("authorization_pending")}, []float64{5.5, 11, 16.5, 16.5}},
		{"slow_down in a 429", true, "", []turn{{status: 429, body: `{"error":"slow_down"}`, retryAfter: "30"}}, []float64{5.5, 33}},
		{"RFC, no answer", true, "", []turn{{err: refused}, {hang: true}, rfcError("authorization_pending")}, []float64{5.5, 11, 15 + 22, 5.5}},
		{"RFC, gateway", true, "", []turn{{status: 502}, {status: 401, body: "<html>"}, {status: 200, body: "<html>"}}, []float64{5.5, 11, 22, 44}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &deviceServer{t: t, rfc: tt.rfc, polls: append(tt.polls, turn{status: 200, body: serviceSuccess})}
				if tt.rfc {
					s.polls[len(tt.polls)].body = rfcSuccess
				}
				if tt.start != "" {
					s.start = turn{status: 200, body: tt.start}
				}
				r := s.run(t.Context(), Device{})
				if r.err != nil || len(r.grants) != 1 {
					t.Fatalf("%v, %d grants", r.err, len(r.grants))
				}
				var want []time.Duration
				var at time.Duration
				for _, gap := range tt.gaps {
					at += time.Duration(gap * float64(time.Second))
					want = append(want, at)
				}
				if !slices.Equal(s.polled, want) {
					t.Errorf("polled at %v, want %v", s.polled, want)
				}
				pending := 0
				for _, p := range tt.polls {
					if (p.status == 403 || p.status == 404) && p.body == "" || strings.Contains(p.body, "pending") || strings.Contains(p.body, "deviceauth_") {
						pending++
					}
				}
				if n := len(r.slowed()); n != len(tt.polls)-pending {
					t.Errorf("%d Slowed events", n)
				}
			})
		})
	}
}

func TestDeviceEnds(t *testing.T) {
	denied := turn{status: 400, body: `{"error":"access_denied","error_description":"no, ` + plantedDevice + `"}`}
	for _, tt := range []struct {
		name  string
		rfc   bool
		polls []turn
		is    error
		says  string
	}{
		{"denied", false, []turn{{status: 400, body: `{"error":{"code":"access_denied","message":"the person said no"}}`}}, ErrDenied, "the person said no"},
		{"RFC, denied", true, []turn{denied}, ErrDenied, "refused the sign-in: access_denied"},
		{"denied by 403", false, []turn{{status: 403, body: `{"error":{"code":"deviceauth_authorization_denied"}}`}}, ErrDenied, "access_denied"},
		{"expired by 404", false, []turn{{status: 404, body: `{"error":{"code":"deviceauth_expired"}}`}}, ErrTimeout, "the code has expired"},
		{"not here", false, []turn{{status: 403, body: `{"error":{"code":"unsupported_country_region_territory","message":"not in your region"}}`}},
			codexauth.ErrRequest, "not in your region"},
		{"a gateway for as long as it lasts", false, slices.Repeat([]turn{{status: 403, body: "<html>"}}, 16), ErrTimeout, "a gateway or a captive portal"},
		{"expired", false, []turn{{status: 403}, {status: 400, body: `{"error":{"code":"expired_token"}}`}}, ErrTimeout, "the code has expired"},
		{"RFC, expired", true, []turn{rfcError("expired_token")}, ErrTimeout, "the code has expired"},
		{"RFC, client", true, []turn{{status: 401, body: `{"error":"invalid_client"}`}}, codexauth.ErrRequest, "401 invalid_client"},
		{"RFC, unknown code", true, []turn{rfcError("invalid_grant")}, codexauth.ErrRequest, "400 invalid_grant"},
		{"RFC, the answer got lost", true, []turn{{status: 502}, rfcError("invalid_grant")}, nil, "approved, but the answer got lost (device sign-in: the server answered 502"},
		{"RFC, half an answer", true, []turn{{status: 200, body: `{"access_token":"planted`}, rfcError("invalid_grant")}, nil, "approved, but the answer got lost"},
		{"refused", false, []turn{{status: 401, body: `{"error":{"code":"planted-DEVICE","message":"about Planted-Device"}}`}}, codexauth.ErrRequest, "answered 401"},
		{"no verifier", false, []turn{{status: 200, body: `{"authorization_code":"planted-code"}`}}, codexauth.ErrRequest, "approved, but the answer to that is incomplete; sign in again"},
		{"half an answer", false, []turn{{status: 200, body: `{"authorization_code":"planted-code","code_ver`}}, codexauth.ErrRequest, "incomplete"},
		{"wrong pair", false, []turn{{status: 200, body: strings.Replace(serviceSuccess, "E9M", "e9M", 1)}}, codexauth.ErrRequest, "does not match its challenge"},
		{"no code", false, []turn{{status: 200, body: strings.Replace(serviceSuccess, "planted-code", `planted\u0007`, 1)}}, codexauth.ErrRequest, "characters that no code has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &deviceServer{t: t, rfc: tt.rfc, polls: tt.polls}
				r := s.run(t.Context(), Device{})
				if r.err == nil || len(r.grants) != 0 || tt.is != nil && !errors.Is(r.err, tt.is) || !strings.Contains(r.err.Error(), tt.says) {
					t.Errorf("got %v", r.err)
				}
				if errors.Is(r.err, codexauth.ErrRefused) || errors.Is(r.err, codexauth.ErrUnknownOutcome) {
					t.Errorf("%v condemns or doubts a stored login", r.err)
				}
				if len(s.polled) != len(tt.polls) {
					t.Errorf("%d polls", len(s.polled))
				}
			})
		})
	}
}

// The waiting ends with the code's life as the server's clock has it, or with
// Timeout, and no failure ends it before.
func TestDeviceLifetime(t *testing.T) {
	expiresIn := func(d time.Duration) string {
		return fmt.Sprintf(`{"device_auth_id":"planted-device","user_code":"ABCD-1234","expires_at":%q}`, time.Now().Add(d).UTC().Format(time.RFC3339))
	}
	for _, tt := range []struct {
		name    string
		start   func() string
		timeout time.Duration
		want    time.Duration
	}{
		{"not told", func() string { return serviceCode }, 0, 15 * time.Minute},
		{"expires_at", func() string { return expiresIn(4 * time.Minute) }, 0, 4 * time.Minute},
		{"long", func() string { return expiresIn(time.Hour) }, 0, 15 * time.Minute},
		{"past", func() string { return expiresIn(-time.Hour) }, 0, 15 * time.Minute},
		{"timeout", func() string { return expiresIn(4 * time.Minute) }, time.Minute, time.Minute},
		{"not told, timeout", func() string { return serviceCode }, time.Hour, 15 * time.Minute},
	} {
		for _, p := range []turn{{status: 403}, {status: 503}, {status: 429, retryAfter: "3000"}} {
			synctest.Test(t, func(t *testing.T) {
				s := &deviceServer{t: t, start: turn{status: 200, body: tt.start()}, polls: []turn{p}}
				r := s.run(t.Context(), Device{Timeout: tt.timeout})
				if !errors.Is(r.err, ErrTimeout) || errors.Is(r.err, codexauth.ErrUnknownOutcome) || r.took != tt.want {
					t.Errorf("%s, %d: %v after %v, want %v", tt.name, p.status, r.err, r.took, tt.want)
				}
				if p.status == 503 && !strings.Contains(r.err.Error(), "503") {
					t.Errorf("%v does not report the failures", r.err)
				}
			})
		}
	}
}

// Whatever a server does, it is not asked more often than once a second.
func TestDeviceIsNoBusyLoop(t *testing.T) {
	for _, p := range []turn{{status: 403}, {status: 500}, {status: 200, body: "{"}, {err: io.ErrUnexpectedEOF}, {status: 429, retryAfter: "0"}} {
		synctest.Test(t, func(t *testing.T) {
			s := &deviceServer{t: t, polls: []turn{p}, start: turn{status: 200, body: strings.Replace(serviceCode, `"5"`, `"0.0001"`, 1)}}
			r := s.run(t.Context(), Device{Timeout: 5 * time.Minute})
			for n := 1; n < len(s.polled); n++ {
				if gap := s.polled[n] - s.polled[n-1]; gap < time.Second {
					t.Fatalf("poll %d came %v after the one before", n, gap)
				}
			}
			if r.err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestDeviceStart(t *testing.T) {
	page := func(field, url string) string {
		text, _ := json.Marshal(url)
		return fmt.Sprintf(`{"device_code":"planted-device","user_code":"ABCD-1234","verification_uri":"https://page.example/",%q:%s}`, field, text)
	}
	for _, tt := range []struct {
		name string
		rfc  bool
		turn
		is   error
		says string
	}{
		{"not enabled", false, turn{status: 404, body: `{"detail":"Not Found"}`}, ErrDeviceNotEnabled, `"device code authorization for Codex" in its settings under Security (in a workspace an administrator`},
		{"RFC, 404", true, turn{status: 404, body: `{"error":"x"}`}, codexauth.ErrRequest, "404"},
		{"5xx", false, turn{status: 500}, codexauth.ErrTransient, "500"},
		{"429", true, turn{status: 429}, codexauth.ErrRateLimited, "429"},
		{"401", false, turn{status: 401, body: `{"error":"invalid_client","error_description":"who?"}`}, codexauth.ErrRequest, "invalid_client (who?)"},
		{"no answer", false, turn{err: io.ErrUnexpectedEOF}, codexauth.ErrTransient, "auth.example: unexpected EOF"},
		{"hang", true, turn{hang: true}, codexauth.ErrTransient, "deadline exceeded"},
		{"captive portal", false, turn{status: 200, body: "<html>"}, codexauth.ErrTransient, "not a JSON object"},
		{"cut off", true, turn{status: 200, body: rfcCode[:40]}, codexauth.ErrTransient, "breaks off"},
		{"empty", false, turn{status: 200, body: "{}"}, codexauth.ErrRequest, "no device code"},
		{"invisible", false, turn{status: 200, body: `{"device_auth_id":"planted-device","user_code":"\u202e\u0007"}`}, codexauth.ErrRequest, "no device code"},
		{"no page", true, turn{status: 200, body: `{"device_code":"planted-device","user_code":"A"}`}, codexauth.ErrIssuer, "page"},
		{"plain HTTP", true, turn{status: 200, body: page("verification_uri", "http://page.example/")}, codexauth.ErrIssuer, "plain HTTP"},
		{"plain loopback", true, turn{status: 200, body: page("verification_uri", "http://127.0.0.1:80/")}, codexauth.ErrIssuer, "plain HTTP"},
		{"script", true, turn{status: 200, body: page("verification_uri", "javascript:alert(1)")}, codexauth.ErrIssuer, "not a URL"},
		{"user name", true, turn{status: 200, body: page("verification_uri", "https://auth.example@page.example/")}, codexauth.ErrIssuer, "user name"},
		{"look-alike", true, turn{status: 200, body: page("verification_uri", "https://аuth.example/")}, codexauth.ErrIssuer, "no address"},
		{"escape", true, turn{status: 200, body: page("verification_uri", "https://page.example/\u001b[2J")}, codexauth.ErrIssuer, "no address"},
		{"long", true, turn{status: 200, body: page("verification_uri", "https://page.example/"+strings.Repeat("a", 2000))}, codexauth.ErrIssuer, "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &deviceServer{t: t, rfc: tt.rfc, start: tt.turn}
				r := s.run(t.Context(), Device{})
				if !errors.Is(r.err, tt.is) || !strings.Contains(r.err.Error(), tt.says) {
					t.Errorf("got %v", r.err)
				}
				if len(r.events) != 0 || r.took > time.Minute {
					t.Errorf("%d events in %v", len(r.events), r.took)
				}
			})
		})
	}
	for _, url := range []string{"http://page.example/?c=1", "https://elsewhere.example/?c=1", "nonsense", "https://page.example/\u202e"} {
		synctest.Test(t, func(t *testing.T) {
			s := &deviceServer{t: t, rfc: true, start: turn{status: 200, body: page("verification_uri_complete", url)}, polls: []turn{{status: 200, body: rfcSuccess}}}
			r := s.run(t.Context(), Device{})
			if c := r.events[0].(DeviceCode); r.err != nil || c.CompleteURL != "" {
				t.Errorf("%v, complete URL %q", r.err, c.CompleteURL)
			}
		})
	}
}

// What a server calls a user code can't play with the terminal.
func TestDeviceCodeIsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &deviceServer{t: t, rfc: true, polls: []turn{{status: 200, body: rfcSuccess}},
			start: turn{status: 200, body: strings.Replace(rfcCode, "ABCD-1234", `\u001b[2J\u202eABCD\n-1234`, 1)}}
		r := s.run(t.Context(), Device{})
		if c := r.events[0].(DeviceCode); r.err != nil || c.UserCode != "[2JABCD -1234" {
			t.Errorf("%v, %q", r.err, c.UserCode)
		}
	})
}

func TestDeviceIsCancelled(t *testing.T) {
	why := errors.New("the person pressed Ctrl-C")
	for _, tt := range []struct {
		name  string
		start turn
		poll  turn
		after time.Duration
	}{
		{"asking for the code", turn{hang: true}, turn{}, time.Second},
		{"between polls", turn{}, turn{status: 403}, 7 * time.Second},
		{"in a poll", turn{}, turn{hang: true}, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				s := &deviceServer{t: t, start: tt.start, polls: []turn{tt.poll}}
				time.AfterFunc(tt.after, func() { cancel(why) })
				r := s.run(ctx, Device{})
				if !errors.Is(r.err, why) || r.took != tt.after || len(r.grants) != 0 {
					t.Errorf("%v after %v", r.err, r.took)
				}
			})
		})
	}
}

func TestDeviceReturnsWhatFinishReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &deviceServer{t: t, start: turn{status: 200, body: serviceCode}, polls: []turn{{status: 200, body: serviceSuccess}}}
		d := &Device{Provider: codexauth.Provider{Issuer: deviceIssuer, ClientID: "me"}, HTTPClient: &http.Client{Transport: s}}
		full := errors.New("the disk is full")
		if err := d.Run(t.Context(), func(context.Context, codexauth.Grant) error { return full }); !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
	})
}
