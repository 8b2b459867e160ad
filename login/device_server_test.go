package login

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"codexauth"
)

const (
	deviceIssuer   = "https://auth.example"
	plantedDevice  = "planted-device"
	pairVerifier   = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	pairChallenge  = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	serviceCode    = `{"device_auth_id":"planted-device","user_code":"ABCD-1234","interval":"5"}`
	rfcCode        = `{"device_code":"planted-device","user_code":"ABCD-1234","verification_uri":"https://page.example/device","verification_uri_complete":"https://page.example/device?c=ABCD-1234","expires_in":600,"interval":5}`
	serviceSuccess = `{"authorization_code":"planted-code","code_challenge":"` + pairChallenge + `","code_verifier":"` + pairVerifier + `"}`
	rfcSuccess     = `{"access_token":"planted-access","refresh_token":"planted-refresh","expires_in":3600}`
)

// A turn is one answer of a deviceServer.
type turn struct {
	status     int
	body       string
	retryAfter string
	err        error // no answer
	hang       bool  // until the client gives up
}

func rfcError(code string) turn { return turn{status: 400, body: `{"error":"` + code + `"}`} }

// A deviceServer is an authorization server as an http.RoundTripper, which lets
// time be synctest's.
type deviceServer struct {
	t      *testing.T
	rfc    bool // announce RFC 8628
	start  turn
	polls  []turn // the last one for ever
	polled []time.Duration
	begun  time.Time
}

func (s *deviceServer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		if !s.rfc {
			return s.answer(r, turn{status: 404})
		}
		return s.answer(r, turn{status: 200, body: fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/token","device_authorization_endpoint":"%[1]s/device"}`, deviceIssuer)})
	case "/.well-known/openid-configuration":
		return s.answer(r, turn{status: 404})
	case "/device":
		s.wantForm(body, url.Values{"client_id": {"me"}, "scope": {"openid profile email offline_access"}})
	case "/api/accounts/deviceauth/usercode":
		s.wantJSON(body, map[string]string{"client_id": "me"})
	case "/token":
		s.wantForm(body, url.Values{"client_id": {"me"}, "device_code": {plantedDevice}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}})
		return s.poll(r)
	case "/api/accounts/deviceauth/token":
		s.wantJSON(body, map[string]string{"device_auth_id": plantedDevice, "user_code": "ABCD-1234"})
		return s.poll(r)
	default:
		s.t.Errorf("%s %s", r.Method, r.URL)
	}
	s.begun = time.Now()
	return s.answer(r, s.start)
}

func (s *deviceServer) poll(r *http.Request) (*http.Response, error) {
	s.polled = append(s.polled, time.Since(s.begun))
	return s.answer(r, s.polls[min(len(s.polled), len(s.polls))-1])
}

func (s *deviceServer) answer(r *http.Request, a turn) (*http.Response, error) {
	if a.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func (s *deviceServer) wantForm(body []byte, want url.Values) {
	if string(body) != want.Encode() {
		s.t.Errorf("sent %s, want %s", body, want.Encode())
	}
}

func (s *deviceServer) wantJSON(body []byte, want map[string]string) {
	if text, _ := json.Marshal(want); string(body) != string(text) {
		s.t.Errorf("sent %s, want %s", body, text)
	}
}

// A deviceRun is what came of one sign-in, in the time of its bubble.
type deviceRun struct {
	grants []codexauth.Grant
	events []Event
	err    error
	took   time.Duration
}

func (s *deviceServer) run(ctx context.Context, d Device) deviceRun {
	var r deviceRun
	if s.start == (turn{}) {
		s.start = turn{status: 200, body: serviceCode}
		if s.rfc {
			s.start.body = rfcCode
		}
	}
	d.Provider = codexauth.Provider{Issuer: deviceIssuer, ClientID: "me"}
	d.HTTPClient = &http.Client{Transport: s}
	d.Events = func(e Event) { r.events = append(r.events, e) }
	begun := time.Now()
	r.err = d.Run(ctx, func(_ context.Context, g codexauth.Grant) error {
		r.grants = append(r.grants, g)
		return nil
	})
	r.took = time.Since(begun)
	r.holdsNoSecret(s.t)
	return r
}

// holdsNoSecret: of all that a server sends only the user code may be seen.
func (r deviceRun) holdsNoSecret(t *testing.T) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", r.err, r.events, r.grants)
	for _, e := range r.events {
		if slowed, ok := e.(Slowed); ok {
			text += slowed.Err.Error()
		}
	}
	mustNotContain(t, strings.ToLower(text), "planted", strings.ToLower(pairVerifier))
}

func (r deviceRun) slowed() (all []Slowed) {
	for _, e := range r.events {
		if s, ok := e.(Slowed); ok {
			all = append(all, s)
		}
	}
	return all
}
