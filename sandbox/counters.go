package sandbox

// Counters say what the sandbox has seen since it started or since
// [Server.ResetCounters]. In a test of a client they are the judge: a client
// that shares a login well leaves Reuses and DeadFamily at 0.
type Counters struct {
	TokenRequests       int `json:"token_requests"`       // requests to the token endpoint, of any kind and outcome
	CodeExchanges       int `json:"code_exchanges"`       // authorization codes accepted (those of device codes too)
	DeviceExchanges     int `json:"device_exchanges"`     // RFC 8628 device codes accepted
	RefreshRequests     int `json:"refresh_requests"`     // requests with grant_type=refresh_token
	Refreshes           int `json:"refreshes"`            // refresh tokens accepted: the spent ones and GraceRefreshes
	GraceRefreshes      int `json:"grace_refreshes"`      // spent refresh tokens accepted within the grace
	Reuses              int `json:"reuses"`               // spent refresh tokens presented outside the grace
	DeadFamily          int `json:"dead_family"`          // refresh tokens of a revoked login presented, spent (then in Reuses, too) or not
	UnknownTokens       int `json:"unknown_tokens"`       // refresh tokens presented that this sandbox never issued
	CodeReplays         int `json:"code_replays"`         // authorization codes presented again
	FamiliesRevoked     int `json:"families_revoked"`     // logins revoked, for whatever reason
	Refused             int `json:"refused"`              // token requests refused on their merits, not by a fault
	Faults              int `json:"faults"`               // faults that hit a request
	RedirectsTaken      int `json:"redirects_taken"`      // requests that followed the fault "redirect"
	Revocations         int `json:"revocations"`          // requests to the revocation endpoint
	AuthorizeRequests   int `json:"authorize_requests"`   // browser sign-ins begun
	DeviceRequests      int `json:"device_requests"`      // device codes asked for, in either shape
	DevicePolls         int `json:"device_polls"`         // polls for a device code, in either shape
	DeviceFastPolls     int `json:"device_fast_polls"`    // polls that came before the interval was over
	BackendRequests     int `json:"backend_requests"`     // requests to any path of the backend
	BackendUnauthorized int `json:"backend_unauthorized"` // backend requests answered with 401
	BackendRefused      int `json:"backend_refused"`      // bodies that the backend would not take
	DiscoveryRequests   int `json:"discovery_requests"`   // metadata and key set
	MaxInFlight         int `json:"max_in_flight"`        // most requests at the token endpoint at one time
}

// Counters returns the counts so far.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters
}

// ResetCounters sets every count to zero.
func (s *Server) ResetCounters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters = Counters{}
}

// count changes the counters under the lock.
func (s *Server) count(change func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counters)
}

// enterToken notes a request at the token endpoint and returns what notes its end.
func (s *Server) enterToken() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	s.counters.TokenRequests++
	s.counters.MaxInFlight = max(s.counters.MaxInFlight, s.inFlight)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
	}
}
