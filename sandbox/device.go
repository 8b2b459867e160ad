package sandbox

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A device is a sign-in that somebody approves on another screen: in the
// service's own shape, or in that of RFC 8628.
type device struct {
	id       string // device_auth_id or device_code
	userCode string
	rfc      bool
	scope    []string
	expires  time.Time
	interval time.Duration
	polled   time.Time // by the real clock, which no offset moves
	decided  bool
	allowed  bool
	redeemed bool
	user     User
}

func (s *Server) deviceRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/accounts/deviceauth/usercode", s.handleUserCode)
	mux.HandleFunc("POST /api/accounts/deviceauth/token", s.handleDevicePoll)
	mux.HandleFunc("POST /oauth/device/code", s.handleDeviceCode)
	mux.HandleFunc("GET /codex/device", s.handleDevicePage)
	mux.HandleFunc("POST /codex/device", s.handleDeviceForm)
	mux.HandleFunc("POST /codex/device/decide", s.handleDeviceDecision)
}

// startDevice checks a request for a device code and plays the faults for it.
func (s *Server) startDevice(w http.ResponseWriter, r *http.Request, rfc bool) (p params, faults hits, ok bool) {
	s.count(func(c *Counters) { c.DeviceRequests++ })
	p, refused := readParams(w, r)
	if refused == nil && p["client_id"] != s.cfg.ClientID {
		refused = &refusal{status: 400, code: "invalid_client", message: "client_id is missing or unknown"}
	}
	if refused != nil {
		refused.rfc = rfc
		writeRefusal(w, refused)
		return nil, nil, false
	}
	faults = s.meet(atDeviceStart, "")
	return p, faults, !s.interrupt(w, r, faults)
}

func (s *Server) newDevice(rfc bool, scope []string) device {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &device{
		id: s.random.token("deviceauth_"), userCode: s.random.userCode(), rfc: rfc, scope: scope,
		expires: s.now().Add(s.cfg.DeviceTTL), interval: s.cfg.DeviceInterval,
	}
	s.vault.devices = append(s.vault.devices, d)
	return *d
}

// handleUserCode begins a device sign-in in the service's shape, in which the
// interval is a string.
func (s *Server) handleUserCode(w http.ResponseWriter, r *http.Request) {
	_, faults, ok := s.startDevice(w, r, false)
	if !ok {
		return
	}
	d := s.newDevice(false, supportedScopes()[:4])
	a := map[string]any{
		"device_auth_id": d.id, "user_code": d.userCode, "expires_at": d.expires.UTC().Format(time.RFC3339),
		"interval": strconv.Itoa(int(d.interval / time.Second)),
	}
	if faults.has("device-no-interval") {
		delete(a, "interval")
	}
	writeJSON(w, http.StatusOK, a)
}

// handleDevicePoll is the poll of the service's shape: 403 while nobody has
// decided, 404 for what it does not know. The server made the PKCE pair itself.
func (s *Server) handleDevicePoll(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counters) { c.DevicePolls++ })
	p, refused := readParams(w, r)
	if refused != nil {
		writeRefusal(w, refused)
		return
	}
	if s.interrupt(w, r, s.meet(atDevicePoll, "")) {
		return
	}
	s.mu.Lock()
	a, refused := s.pollDevice(p)
	s.mu.Unlock()
	if refused != nil {
		writeRefusal(w, refused)
		return
	}
	writeJSON(w, http.StatusOK, a)
}

// pollDevice answers a poll of the service's shape. The caller holds mu.
func (s *Server) pollDevice(p params) (map[string]string, *refusal) {
	d := s.findDevice(func(d *device) bool {
		return !d.rfc && !d.redeemed && d.id == p["device_auth_id"] && d.userCode == p["user_code"]
	})
	switch {
	case d == nil:
		return nil, &refusal{status: 404, code: "deviceauth_not_found", message: "There is no such device code, or it was redeemed."}
	case !s.now().Before(d.expires):
		return nil, &refusal{status: 400, code: "expired_token", message: "The device code has expired."}
	case !d.decided:
		s.tooFast(d)
		return nil, &refusal{status: 403, code: "deviceauth_authorization_pending", message: "Nobody has approved this device code yet."}
	case !d.allowed:
		return nil, &refusal{status: 400, code: "access_denied", message: "The user denied the request."}
	}
	d.redeemed = true
	verifier := s.random.token("")
	challenge := challengeOf(verifier)
	code := s.newCode(authRequest{redirectURI: s.issuer + "/deviceauth/callback", challenge: challenge, scope: d.scope}, d.user)
	return map[string]string{"authorization_code": code, "code_challenge": challenge, "code_verifier": verifier}, nil
}

// handleDeviceCode begins a device sign-in of RFC 8628 §3.1.
func (s *Server) handleDeviceCode(w http.ResponseWriter, r *http.Request) {
	p, faults, ok := s.startDevice(w, r, true)
	if !ok {
		return
	}
	scope, refused := narrowed(supportedScopes(), p["scope"])
	if refused != nil {
		refused.rfc = true
		writeRefusal(w, refused)
		return
	}
	d := s.newDevice(true, scope)
	page := s.issuer + "/codex/device"
	a := map[string]any{
		"device_code": d.id, "user_code": d.userCode, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + d.userCode,
		"expires_in":                int(s.cfg.DeviceTTL / time.Second), "interval": int(d.interval / time.Second),
	}
	if faults.has("device-no-interval") {
		delete(a, "interval")
	}
	writeJSON(w, http.StatusOK, a)
}

// spendDeviceCode is the poll of RFC 8628 §3.4. The caller holds mu.
func (s *Server) spendDeviceCode(p params) (*grant, *refusal) {
	s.counters.DevicePolls++
	refused := func(code, message string) (*grant, *refusal) {
		return nil, &refusal{status: 400, code: code, message: message, rfc: true}
	}
	d := s.findDevice(func(d *device) bool { return d.rfc && d.id == p["device_code"] })
	switch {
	case d == nil || d.redeemed:
		return refused("invalid_grant", "there is no such device code, or it was redeemed")
	case !s.now().Before(d.expires):
		return refused("expired_token", "the device code has expired")
	case !d.decided && s.tooFast(d):
		d.interval += 5 * time.Second // RFC 8628 §3.5
		return refused("slow_down", "poll no more often than every "+d.interval.String())
	case !d.decided:
		return refused("authorization_pending", "nobody has approved this device code yet")
	case !d.allowed:
		return refused("access_denied", "the user denied the request")
	}
	d.redeemed = true
	s.counters.DeviceExchanges++
	return s.begin(d.user, d.scope, "", s.meetLocked(afterSpending, "device")), nil
}

// tooFast notes a poll and reports whether it came before the interval was over,
// less a tenth for the network's jitter. The caller holds mu.
func (s *Server) tooFast(d *device) bool {
	now := time.Now()
	fast := !d.polled.IsZero() && now.Sub(d.polled) < d.interval*9/10
	d.polled = now
	if fast {
		s.counters.DeviceFastPolls++
	}
	return fast
}

// findDevice returns the first device that fits, or nil. The caller holds mu.
func (s *Server) findDevice(fits func(*device) bool) *device {
	for _, d := range s.vault.devices {
		if fits(d) {
			return d
		}
	}
	return nil
}

// ErrNoDevice: no device waits for a decision under that user code.
var ErrNoDevice = errors.New("sandbox: no device waits under this user code; it may be mistyped, expired or decided already")

// ApproveDevice decides, as the default user, about the device that shows
// userCode: in tests, in place of a person. The error is ErrNoDevice.
func (s *Server) ApproveDevice(userCode string, ok bool) error {
	return s.decideDevice(userCode, s.defaultUser(), ok)
}

func (s *Server) decideDevice(userCode string, user User, ok bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.waiting(userCode)
	if d == nil {
		return ErrNoDevice
	}
	d.decided, d.allowed, d.user = true, ok, user
	return nil
}

// waiting is the undecided device that shows userCode, typed with or without
// hyphen and in any case. The caller holds mu.
func (s *Server) waiting(userCode string) *device {
	plain := strings.NewReplacer("-", "", " ", "")
	typed := strings.ToUpper(plain.Replace(userCode))
	return s.findDevice(func(d *device) bool {
		return !d.decided && plain.Replace(d.userCode) == typed && s.now().Before(d.expires)
	})
}
