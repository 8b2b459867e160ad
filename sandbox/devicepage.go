package sandbox

import "net/http"

// handleDevicePage asks for the code that the device shows.
func (s *Server) handleDevicePage(w http.ResponseWriter, r *http.Request) {
	csrf := s.newFlow(w, r, &flow{forDevice: true})
	s.render(w, http.StatusOK, "device", page{
		Title: "Sign in a device", CSRF: csrf, Email: s.defaultUser().Email, UserCode: r.URL.Query().Get("user_code"),
	})
}

// handleDeviceForm takes code and email address, and asks for consent.
func (s *Server) handleDeviceForm(w http.ResponseWriter, r *http.Request) {
	f, p, csrf := s.resume(w, r)
	if f == nil {
		return
	}
	user, known := s.findUser(p["email"])
	s.mu.Lock()
	d := s.waiting(p["user_code"])
	if d != nil && known && f.forDevice {
		f.device, f.user = d, user
	}
	s.mu.Unlock()
	again := page{Title: "Sign in a device", CSRF: csrf, Email: p["email"], UserCode: p["user_code"]}
	switch {
	case !f.forDevice:
		s.outOfOrder(w)
	case d == nil:
		again.Error = "No device waits under this code. Check it, or start again on the device."
		s.render(w, http.StatusUnprocessableEntity, "device", again)
	case !known:
		again.Error = s.unknownUser()
		s.render(w, http.StatusUnprocessableEntity, "device", again)
	default:
		s.render(w, http.StatusOK, "consent", page{
			Title: "Allow the device", CSRF: csrf, Action: "/codex/device/decide", User: user,
			Client: s.cfg.ClientID, Scopes: d.scope, UserCode: d.userCode,
		})
	}
}

// handleDeviceDecision takes Allow or Deny for a device.
func (s *Server) handleDeviceDecision(w http.ResponseWriter, r *http.Request) {
	f, p, csrf := s.resume(w, r)
	if f == nil {
		return
	}
	s.mu.Lock()
	d, user := f.device, f.user
	s.mu.Unlock()
	if d == nil || !s.finish(csrf) {
		s.outOfOrder(w)
		return
	}
	allowed := p["decision"] == "allow"
	if err := s.decideDevice(d.userCode, user, allowed); err != nil {
		s.errorPage(w, "No device waits under this code any more. Start again on the device.")
		return
	}
	message := "The device is signed in. You can close this page."
	if !allowed {
		message = "The device was not let in. You can close this page."
	}
	s.render(w, http.StatusOK, "message", page{Title: "Done", Message: message})
}
