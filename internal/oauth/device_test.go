package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const plantedSecret = "planted-secret"

func heldGrant(a Answer) Grant {
	return Grant{Granted: &Granted{answer: &a, at: time.Now(), clientID: "client",
		server: Endpoints{Issuer: "https://a.example", Token: "https://a.example/token"}}}
}

func grantClient() *Client {
	return &Client{ClientID: "client", Endpoints: Endpoints{Issuer: "https://a.example", Token: "https://a.example/token"}}
}

func TestGrantsDoNotPrintThemselves(t *testing.T) {
	held := heldGrant(Answer{AccessToken: plantedSecret, RefreshToken: plantedSecret})
	g := Grant{Code: plantedSecret, Verifier: plantedSecret, RedirectURI: plantedSecret, Granted: held.Granted}
	d := &DeviceCode{UserCode: "AB", secret: plantedSecret, userCode: plantedSecret}
	for _, v := range []any{g, &g, held, held.Granted, []Grant{g}, map[string]any{"g": g}, struct{ G Grant }{g}, d, *d} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, plantedSecret) || strings.Contains(out, fmt.Sprintf("%x", plantedSecret)) {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
		data, err := json.Marshal(v)
		if err != nil || bytes.Contains(data, []byte(plantedSecret)) {
			t.Errorf("JSON of %T: %s, %v", v, data, err)
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		if strings.Contains(log.String(), plantedSecret) {
			t.Errorf("slog of %T: %s", v, log.String())
		}
	}
}

// Time passes between the poll that was accepted and the moment that its answer
// is stored: the token's life and the server's clock go on.
func TestHeldAnswerAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(time.Hour)
		g := heldGrant(Answer{AccessToken: "a", RefreshToken: "r", ExpiresIn: time.Hour, Date: date})
		short := heldGrant(Answer{AccessToken: "a", ExpiresIn: time.Minute})
		silent := heldGrant(Answer{AccessToken: "a"})
		time.Sleep(90 * time.Second)
		a, err := grantClient().Exchange(t.Context(), g)
		if err != nil || a.RefreshToken != "r" || a.ExpiresIn != time.Hour-90*time.Second || !a.Date.Equal(date.Add(90*time.Second)) {
			t.Errorf("expires in %v, date %v, %v", a.ExpiresIn, a.Date, err)
		}
		if a, err := grantClient().Exchange(t.Context(), short); err != nil || a.ExpiresIn != time.Second {
			t.Errorf("expires in %v, %v", a.ExpiresIn, err) // 0 would mean that the server did not say
		}
		if a, err := grantClient().Exchange(t.Context(), silent); err != nil || a.ExpiresIn != 0 || !a.Date.IsZero() {
			t.Errorf("expires in %v, date %v, %v", a.ExpiresIn, a.Date, err)
		}
	})
}

func TestHeldAnswerIsForItsOwnClientOnce(t *testing.T) {
	g := heldGrant(Answer{AccessToken: "a"})
	for _, change := range []func(*Client){
		func(c *Client) { c.ClientID = "other" },
		func(c *Client) { c.Endpoints.Issuer = "https://b.example" },
		func(c *Client) { c.Endpoints.Token = "https://b.example/token" },
	} {
		c := grantClient()
		change(c)
		if a, err := c.Exchange(t.Context(), g); a != nil || !errors.Is(err, ErrInvalid) {
			t.Errorf("another client's: %v", err)
		}
	}
	if _, err := grantClient().Exchange(t.Context(), g); err != nil {
		t.Error(err)
	}
	if a, err := grantClient().Exchange(t.Context(), g); a != nil || !errors.Is(err, ErrInvalid) {
		t.Errorf("the second time: %v", err)
	}
}

func TestStartDeviceChoosesTheShape(t *testing.T) {
	var got string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		io.WriteString(w, `{"device_auth_id":"i","usercode":"AB","device_code":"c","user_code":"AB","verification_uri":"http://127.0.0.1/","expires_in":"60","interval":"7"}`)
	})
	d, err := c.StartDevice(t.Context(), []string{"a", "b"})
	if err != nil || got != `/api/accounts/deviceauth/usercode application/json {"client_id":"client"}` {
		t.Errorf("%s, %v", got, err)
	}
	if d.VerificationURL != c.Endpoints.Issuer+"/codex/device" || d.Interval != 7*time.Second || d.Lifetime != 0 || d.secret != "i" {
		t.Errorf("%+v at %s", d, d.VerificationURL)
	}
	c.Endpoints.DeviceAuthorization = c.Endpoints.Issuer + "/device"
	d, err = c.StartDevice(t.Context(), []string{"a", "b"})
	if err != nil || got != "/device application/x-www-form-urlencoded client_id=client&scope=a+b" {
		t.Errorf("%s, %v", got, err)
	}
	if d.VerificationURL != "http://127.0.0.1/" || d.Lifetime != time.Minute || d.secret != "c" {
		t.Errorf("%+v at %s", d, d.VerificationURL)
	}
}

// expires_at is by the server's clock, which its Date header tells.
func TestTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		server := now.Add(-3 * time.Hour)
		for _, tt := range []struct {
			at   string
			date time.Time
			want time.Duration
		}{
			{server.Add(time.Minute).Format(time.RFC3339), server, time.Minute},
			{now.Add(time.Minute).Format(time.RFC3339Nano), time.Time{}, time.Minute},
			{server.Format(time.RFC3339), time.Time{}, 0},
			{"", server, 0},
			{"soon", server, 0},
		} {
			if got := timeLeft(tt.at, tt.date); got != tt.want {
				t.Errorf("%q at %v: %v, want %v", tt.at, tt.date, got, tt.want)
			}
		}
	})
}

// A poll answer counts as one only where the server says so in a 4xx.
func TestPollAnswers(t *testing.T) {
	for code, target := range map[string]error{
		"authorization_pending": ErrPending, "slow_down": ErrSlowDown, "access_denied": ErrDenied, "expired_token": ErrCodeExpired,
	} {
		for status, want := range map[int]bool{400: true, 429: true, 403: true, 500: false, 302: false} {
			c := client(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"error":%q,"error_description":"about PLANTED-secret"}`, code)
			})
			_, err := c.PollDevice(t.Context(), &DeviceCode{rfc: true, secret: plantedSecret})
			if errors.Is(err, target) != want || errors.Is(err, ErrPermanent) {
				t.Errorf("%d %s: %v", status, code, err)
			}
			if strings.Contains(strings.ToLower(err.Error()), plantedSecret) {
				t.Errorf("%v repeats the device code", err)
			}
		}
	}
}

// Google's servers, and others from before RFC 8628, say url for uri.
func TestVerificationURL(t *testing.T) {
	c := &Client{Endpoints: Endpoints{Issuer: "https://auth.example"}}
	d, err := c.readDeviceCode(true, map[string]any{"device_code": "c", "user_code": "AB", "verification_url": "https://auth.example/device"}, time.Time{})
	if err != nil || d.VerificationURL != "https://auth.example/device" {
		t.Errorf("%v, %v", d, err)
	}
}
