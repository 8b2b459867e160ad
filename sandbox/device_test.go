package sandbox_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"codexauth/sandbox"
)

func body(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(m)
	return string(text)
}

func (r *rig) userCode() (id, code string) {
	r.t.Helper()
	res := r.json("/api/accounts/deviceauth/usercode", body("client_id", sandbox.DefaultClientID)).want(r.t, 200, "")
	return res.field(r.t, "device_auth_id"), res.field(r.t, "user_code")
}

func (r *rig) poll(id, code string) reply {
	r.t.Helper()
	return r.json("/api/accounts/deviceauth/token", body("device_auth_id", id, "user_code", code))
}

func (r *rig) pollRFC(code string) reply {
	r.t.Helper()
	return r.form("/oauth/token", "grant_type", deviceGrant, "device_code", code, "client_id", sandbox.DefaultClientID)
}

func TestDeviceInTheServicesShape(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	res := r.json("/api/accounts/deviceauth/usercode", body("client_id", sandbox.DefaultClientID)).want(t, 200, "")
	if s := res.field(t, "interval"); s != "5" {
		t.Errorf("interval %q", s)
	}
	if at, err := time.Parse(time.RFC3339, res.field(t, "expires_at")); err != nil || time.Until(at) > 15*time.Minute || time.Until(at) < 14*time.Minute {
		t.Errorf("expires_at %v, %v", at, err)
	}
	id, code := res.field(t, "device_auth_id"), res.field(t, "user_code")
	r.poll(id, code).want(t, 403, "")
	r.poll("unknown", code).want(t, 404, "")
	r.poll(id, "XXXX-XXXX").want(t, 404, "")
	if err := r.ApproveDevice(strings.ToLower(strings.ReplaceAll(code, "-", "")), true); err != nil {
		t.Fatal(err)
	}
	answer := r.poll(id, code).want(t, 200, "")
	r.poll(id, code).want(t, 404, "") // once only
	tokens := r.form("/oauth/token", "grant_type", "authorization_code", "code", answer.field(t, "authorization_code"),
		"redirect_uri", r.URL()+"/deviceauth/callback", "client_id", sandbox.DefaultClientID,
		"code_verifier", answer.field(t, "code_verifier")).want(t, 200, "")
	r.refresh(tokens.field(t, "refresh_token")).want(t, 200, "")
	if c := r.Counters(); c.DeviceRequests != 1 || c.DevicePolls != 5 || c.CodeExchanges != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestDeviceDeniedAndExpired(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	id, code := r.userCode()
	if err := r.ApproveDevice(code, false); err != nil {
		t.Fatal(err)
	}
	r.poll(id, code).want(t, 400, "access_denied")
	if err := r.ApproveDevice(code, true); !errors.Is(err, sandbox.ErrNoDevice) {
		t.Errorf("deciding twice: %v", err)
	}
	id, code = r.userCode()
	r.SetClockOffset(15 * time.Minute)
	r.poll(id, code).want(t, 400, "expired_token")
	if err := r.ApproveDevice(code, true); !errors.Is(err, sandbox.ErrNoDevice) {
		t.Errorf("approving an expired code: %v", err)
	}
}

func TestDeviceThroughThePages(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	for decision, status := range map[string]int{"allow": 200, "deny": 400} {
		id, code := r.userCode()
		form := r.get("/codex/device?user_code="+code).want(t, 200, "")
		if !strings.Contains(form.text, `id="user-code"`) || !strings.Contains(form.text, `value="`+code+`"`) {
			t.Errorf("device page: %s", form.text)
		}
		r.form("/codex/device", "csrf", form.csrf(t), "user_code", "BBBB-BBBB", "email", "a@b.test").want(t, 422, "")
		r.form("/codex/device", "csrf", form.csrf(t), "user_code", code, "email", "nobody").want(t, 422, "")
		consent := r.form("/codex/device", "csrf", form.csrf(t), "user_code", code, "email", "a@b.test").want(t, 200, "")
		if !strings.Contains(consent.text, "started the sign-in on that device yourself") {
			t.Error("the consent page does not warn of phishing")
		}
		r.poll(id, code).want(t, 403, "")
		r.form("/codex/device/decide", "csrf", consent.csrf(t), "decision", decision).want(t, 200, "")
		r.poll(id, code).want(t, status, "")
	}
}

func TestDeviceOfRFC8628(t *testing.T) {
	r := newRig(t, sandbox.Config{DeviceInterval: time.Hour})
	start := func() map[string]any {
		return r.form("/oauth/device/code", "client_id", sandbox.DefaultClientID, "scope", scopes).want(t, 200, "").fields(t)
	}
	d := start()
	code := d["device_code"].(string)
	if d["interval"] != 3600.0 || d["expires_in"] != 900.0 || d["verification_uri"] != r.URL()+"/codex/device" {
		t.Errorf("answer %v", d)
	}
	r.pollRFC(code).want(t, 400, "authorization_pending")
	for _, res := range []reply{r.form("/oauth/token", "grant_type", deviceGrant), r.form("/oauth/device/code", "client_id", "x")} {
		if code, _ := res.fields(t)["error"].(string); code == "" {
			t.Errorf("not the error shape of RFC 6749: %s", res.text)
		}
	}
	r.pollRFC(code).want(t, 400, "slow_down")
	if err := r.ApproveDevice(d["user_code"].(string), true); err != nil {
		t.Fatal(err)
	}
	tokens := r.pollRFC(code).want(t, 200, "")
	r.refresh(tokens.field(t, "refresh_token")).want(t, 200, "")
	r.pollRFC(code).want(t, 400, "invalid_grant")

	d = start()
	if err := r.ApproveDevice(d["user_code"].(string), false); err != nil {
		t.Fatal(err)
	}
	r.pollRFC(d["device_code"].(string)).want(t, 400, "access_denied")

	d = start()
	r.SetClockOffset(time.Hour)
	r.pollRFC(d["device_code"].(string)).want(t, 400, "expired_token")
	r.form("/oauth/device/code", "client_id", "x").want(t, 400, "invalid_client")
	r.form("/oauth/device/code", "client_id", sandbox.DefaultClientID, "scope", "admin").want(t, 400, "invalid_scope")
	if c := r.Counters(); c.DeviceExchanges != 1 || c.DeviceFastPolls != 1 || c.DevicePolls != 6 || c.Refused != 4 || c.DeviceRequests != 6 {
		t.Errorf("counters %+v", c)
	}
}

func TestDeviceFaults(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	r.faults("device-start=404*1", "device-poll=429*1", "device-no-interval*1")
	r.json("/api/accounts/deviceauth/usercode", body("client_id", sandbox.DefaultClientID)).want(t, 404, "")
	r.poll("x", "x").want(t, 429, "")
	if left := r.Faults(); len(left) != 0 {
		t.Fatalf("left over: %v", left)
	}
	r.faults("device-no-interval")
	if f := r.json("/api/accounts/deviceauth/usercode", body("client_id", sandbox.DefaultClientID)).fields(t); f["interval"] != nil || f["user_code"] == nil {
		t.Errorf("answer %v", f)
	}
	r.faults("revoke-latency=1ms*1", "revoke-status=503*1")
	token := r.Issue(sandbox.User{}).RefreshToken
	r.form("/oauth/revoke", "token", token, "client_id", sandbox.DefaultClientID).want(t, 503, "")
	r.refresh(token).want(t, 200, "")
}
