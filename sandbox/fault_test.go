package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"codexauth/sandbox"
)

// What the client gets from a faulty refresh, and whether its token was spent.
var tokenFaults = []struct {
	spec  string
	spent bool
	check func(t *testing.T, res reply)
}{
	{"latency=30ms", true, func(t *testing.T, res reply) { res.want(t, 200, "") }},
	{"latency-after=30ms", true, func(t *testing.T, res reply) { res.want(t, 200, "") }},
	{"status=500", false, func(t *testing.T, res reply) { res.want(t, 500, "sandbox_fault") }},
	{"status=403", false, func(t *testing.T, res reply) { res.want(t, 403, "sandbox_fault") }},
	{"rate-limit=7", false, func(t *testing.T, res reply) {
		if after := res.want(t, 429, "rate_limit_exceeded").Header.Get("Retry-After"); after != "7" {
			t.Errorf("Retry-After %q", after)
		}
	}},
	{"refuse=app_session_terminated", false, func(t *testing.T, res reply) { res.want(t, 401, "app_session_terminated") }},
	{"refuse=invalid_grant", false, func(t *testing.T, res reply) { res.want(t, 400, "invalid_grant") }},
	{"html", false, func(t *testing.T, res reply) { wantHTML(t, res, 200) }},
	{"html-status=403", false, func(t *testing.T, res reply) { wantHTML(t, res, 403) }},
	{"redirect", false, func(t *testing.T, res reply) {
		if l := res.want(t, 302, "").Header.Get("Location"); l != "/oauth/elsewhere" {
			t.Errorf("Location %q", l)
		}
	}},
	{"drop-before", false, wantDropped},
	{"drop-after", true, wantDropped},
	{"status-after=502", true, func(t *testing.T, res reply) { wantHTML(t, res, 502) }},
	{"truncate", true, func(t *testing.T, res reply) {
		if !errors.Is(res.err, io.ErrUnexpectedEOF) || res.StatusCode != 200 || !strings.HasPrefix(res.text, "{") || json.Valid([]byte(res.text)) {
			t.Errorf("err %v, %d bytes", res.err, len(res.text))
		}
	}},
	{"trailing", true, func(t *testing.T, res reply) {
		text := res.want(t, 200, "").text
		var answer map[string]any
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&answer); err != nil || answer["access_token"] == nil || json.Valid([]byte(text)) {
			t.Errorf("decode: %v; whole is valid: %v", err, json.Valid([]byte(text)))
		}
	}},
	{"no-access-token", true, lacks("access_token")},
	{"no-refresh-token", false, lacks("refresh_token")},
	{"no-id-token", true, lacks("id_token")},
	{"no-expires-in", true, lacks("expires_in")},
	{"opaque-access-token", true, func(t *testing.T, res reply) {
		if token := res.field(t, "access_token"); strings.Contains(token, ".") {
			t.Error("the access token looks like a JWT")
		}
	}},
	{"no-exp", true, func(t *testing.T, res reply) {
		if c := claims(t, res.field(t, "access_token")); c["exp"] != nil || c["iat"] == nil {
			t.Errorf("claims %v", c)
		}
	}},
	{"no-account", true, func(t *testing.T, res reply) {
		if a := authClaims(t, res.field(t, "access_token")); a["chatgpt_account_id"] != nil || a["chatgpt_plan_type"] == nil {
			t.Errorf("claims %v", a)
		}
	}},
	{"other-account", true, func(t *testing.T, res reply) {
		if a := authClaims(t, res.field(t, "access_token")); a["chatgpt_account_id"] == nil || a["chatgpt_account_id"] == "acc-1" {
			t.Errorf("claims %v", a)
		}
	}},
}

func wantHTML(t *testing.T, res reply, status int) {
	t.Helper()
	res.want(t, status, "")
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(res.text, "<!doctype html>") {
		t.Errorf("no HTML: %q", res.text)
	}
}

func wantDropped(t *testing.T, res reply) {
	t.Helper()
	if res.err == nil {
		t.Errorf("answered %d", res.StatusCode)
	}
}

func lacks(field string) func(*testing.T, reply) {
	return func(t *testing.T, res reply) {
		f := res.want(t, 200, "").fields(t)
		if _, there := f[field]; there || len(f) != 5 {
			t.Errorf("fields %v", f)
		}
	}
}

func TestTokenFaults(t *testing.T) {
	covered := map[string]bool{"hang": true} // by TestClientLeaves
	for _, c := range tokenFaults {
		covered[strings.SplitN(c.spec, "=", 2)[0]] = true
		t.Run(c.spec, func(t *testing.T) {
			r := newRig(t, sandbox.Config{})
			token := r.Issue(sandbox.User{AccountID: "acc-1"}).RefreshToken
			r.faults(c.spec + "*1")
			begun := time.Now()
			c.check(t, r.refresh(token))
			if strings.HasPrefix(c.spec, "latency") && time.Since(begun) < 30*time.Millisecond {
				t.Error("there was no wait")
			}
			if left := r.Faults(); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
			if c.spent {
				r.refresh(token).want(t, 401, "refresh_token_reused")
			} else {
				r.refresh(token).want(t, 200, "")
			}
			if got := r.Counters(); got.Faults != 1 || got.TokenRequests != 2 || got.RedirectsTaken != 0 {
				t.Errorf("counters %+v", got)
			}
		})
	}
	for _, doc := range sandbox.FaultNames() {
		if doc.Endpoint == "token" && !covered[doc.Name] {
			t.Errorf("fault %s has no test", doc.Name)
		}
	}
}

// refreshAsync sends a refresh that ends with ctx; the channel tells how.
func (r *rig) refreshAsync(ctx context.Context, token string) <-chan error {
	r.t.Helper()
	body := values("grant_type", "refresh_token", "refresh_token", token, "client_id", sandbox.DefaultClientID).Encode()
	req, err := http.NewRequestWithContext(ctx, "POST", r.URL()+"/oauth/token", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	done := make(chan error, 1)
	go func() {
		res, err := r.client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	return done
}

// A client that leaves ends what was being done for it; whether its token is
// spent depends on how far that was.
func TestClientLeaves(t *testing.T) {
	for spec, status := range map[string]int{"hang*1": 200, "latency=1h*1": 200, "latency-after=1h*1": 401} {
		t.Run(spec, func(t *testing.T) {
			log := newLogWatch()
			r := newRig(t, sandbox.Config{Log: log.logger()})
			r.faults(spec)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			token := r.Issue(sandbox.User{}).RefreshToken
			done := r.refreshAsync(ctx, token)
			log.wait(t, "msg=fault")
			leave()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("the client saw %v", err)
			}
			log.wait(t, "msg=request") // the handler has ended
			r.refresh(token).want(t, status, "")
		})
	}
}

func TestHangEndsWithTheServer(t *testing.T) {
	log := newLogWatch()
	r := newRig(t, sandbox.Config{Log: log.logger()})
	r.faults("hang")
	done := r.refreshAsync(t.Context(), r.Issue(sandbox.User{}).RefreshToken)
	log.wait(t, "msg=fault name=hang")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a hanging request was answered")
	}
}

// Faults of one group take turns; faults of different groups meet in one request.
func TestFaultsCombineAndTakeTurns(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	token := r.Issue(sandbox.User{}).RefreshToken
	r.faults("status=500*2", "rate-limit=1*1", "no-expires-in*1", "no-exp*1", "latency=1ms*1")
	r.refresh(token).want(t, 500, "")
	r.refresh(token).want(t, 500, "")
	r.refresh(token).want(t, 429, "")
	f := r.refresh(token).want(t, 200, "").fields(t)
	if f["expires_in"] != nil || claims(t, f["access_token"].(string))["exp"] != nil {
		t.Error("no-expires-in and no-exp did not combine")
	}
	if c := r.Counters(); c.Faults != 6 || len(r.Faults()) != 0 {
		t.Errorf("counters %+v, left over %v", c, r.Faults())
	}
}

// A fault that comes after the spending waits for a request that spends.
func TestRefusedRequestUsesNoLateFault(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	r.faults("drop-after*1")
	r.refresh("unknown").want(t, 401, "")
	if left := r.Faults(); len(left) != 1 || left[0].String() != "drop-after*1" {
		t.Errorf("left over: %v", left)
	}
}

func TestFaultOfOneGrant(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	r.faults("drop-after*1@refresh")
	tokens := r.exchange(r.get(authorizePath()).location(t).Get("code")).want(t, 200, "")
	wantDropped(t, r.refresh(tokens.field(t, "refresh_token")))
	r.faults("status=503@code")
	r.exchange(r.get(authorizePath()).location(t).Get("code")).want(t, 503, "")
	r.refresh(r.Issue(sandbox.User{}).RefreshToken).want(t, 200, "")
}

func TestFollowedRedirectIsCounted(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	r.faults("redirect")
	r.get(r.refresh(r.Issue(sandbox.User{}).RefreshToken).Header.Get("Location")).want(t, 400, "invalid_request")
	if c := r.Counters(); c.RedirectsTaken != 1 {
		t.Errorf("counters %+v", c)
	}
	r.ClearFaults()
	if len(r.Faults()) != 0 {
		t.Error("ClearFaults left some")
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]sandbox.Fault{
		"truncate":            {Name: "truncate"},
		" status=502*3 ":      {Name: "status", Arg: "502", Times: 3},
		"latency=1s@code":     {Name: "latency", Arg: "1s", Grant: "code"},
		"drop-after*1@device": {Name: "drop-after", Times: 1, Grant: "device"},
	} {
		got, err := sandbox.ParseFault(text)
		if err != nil || got != want || got.String() != strings.TrimSpace(text) {
			t.Errorf("%q: %+v (%s), %v", text, got, got, err)
		}
	}
	for text, part := range map[string]string{
		"":                     `unknown fault ""`,
		"nonsense":             "the faults are: latency,",
		"status":               "status from 400 to 599",
		"status=200":           "status from 400 to 599",
		"latency=fast":         "duration",
		"latency=-1s":          "duration",
		"rate-limit=1.5":       "seconds",
		"rate-limit=-1":        "seconds",
		"refuse=No!":           "error code",
		"hang=1":               "no argument",
		"hang*0":               "times",
		"hang*x":               "times",
		"hang@nobody":          "@refresh",
		"hang@":                "@refresh",
		"backend-drop@refresh": "@refresh",
	} {
		if _, err := sandbox.ParseFault(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: error %v; want one about %q", text, err, part)
		}
	}
}

func TestSetFaultsRefusesWhatParseWould(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	r.faults("html")
	for _, bad := range []sandbox.Fault{{Name: "x"}, {Name: "hang", Times: -1}, {Name: "status"}} {
		if err := r.SetFaults(sandbox.Fault{Name: "hang"}, bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if left := r.Faults(); len(left) != 1 || left[0].Name != "html" {
		t.Errorf("a refused set changed the faults to %v", left)
	}
}

func TestEveryFaultIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, doc := range sandbox.FaultNames() {
		if doc.Help == "" || strings.Contains(doc.Help, "\n") || seen[doc.Name] {
			t.Errorf("%+v", doc)
		}
		seen[doc.Name] = true
	}
}

// What ParseFault reads, String writes so that it reads the same again.
func FuzzParseFault(f *testing.F) {
	for _, seed := range []string{"hang", "status=502*3@refresh", "latency=1h5m*2", "rate-limit=007", "refuse=x_1@code", "a=b*c@d", "hang*+1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := sandbox.ParseFault(text)
		if err != nil {
			if fault != (sandbox.Fault{}) {
				t.Errorf("an error came with %+v", fault)
			}
			return
		}
		if again, err := sandbox.ParseFault(fault.String()); err != nil || again != fault {
			t.Errorf("%q: %+v, then %+v, %v", text, fault, again, err)
		}
	})
}
