package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A controlRequest is the body of a POST to the control endpoint. Everything in
// it is optional, and is done in the order in which it stands here.
type controlRequest struct {
	Clear         bool          `json:"clear"`          // take all faults away
	Faults        []Fault       `json:"faults"`         // replace the faults: "name[=arg][*times][@grant]"
	ResetCounters bool          `json:"reset_counters"` // set the counters to 0
	ClockOffset   *jsonDuration `json:"clock_offset"`   // "1h", "-5m"
	AccessTTL     *jsonDuration `json:"access_ttl"`     // of access tokens issued from now on
	ExpireAccess  bool          `json:"expire_access"`  // see Server.ExpireAccessTokens
	RevokeAll     bool          `json:"revoke_all"`     // see Server.RevokeAll
	Device        *struct {     // decide about a device code
		UserCode string `json:"user_code"`
		Approve  bool   `json:"approve"`
	} `json:"device"`
	Models        []Model  `json:"models"`         // replace the models; an empty list is the default ones
	ClearAnswers  bool     `json:"clear_answers"`  // empty the queue of answers
	Answers       []string `json:"answers"`        // scripts, one for each of the next requests to …/responses
	DefaultAnswer *string  `json:"default_answer"` // the script of every other request; "" is to echo
	Issue         bool     `json:"issue"`          // mint a login and return it
	User          *User    `json:"user"`           // for whom; the default user if absent
}

// A controlState is what the control endpoint answers.
type controlState struct {
	Issuer      string       `json:"issuer"`
	Backend     string       `json:"backend"`
	ClientID    string       `json:"client_id"`
	ClockOffset jsonDuration `json:"clock_offset"`
	AccessTTL   jsonDuration `json:"access_ttl"`
	Counters    Counters     `json:"counters"`
	Faults      []Fault      `json:"faults"`
	Answers     int          `json:"answers"`                // that wait in the queue
	Models      []Model      `json:"models,omitempty"`       // GET only
	KnownFaults []FaultDoc   `json:"known_faults,omitempty"` // GET only
	Tokens      *Tokens      `json:"tokens,omitempty"`       // after "issue"
}

// A jsonDuration is a string such as "1h30m" in JSON.
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *jsonDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = jsonDuration(parsed)
	return err
}

func (s *Server) controlRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sandbox/control", s.guarded(s.handleControlGet))
	mux.HandleFunc("POST /sandbox/control", s.guarded(s.handleControlPost))
}

// guarded lets in who has the key and is no web page: pages send an Origin, and
// can't send X-Sandbox-Key without asking first.
func (s *Server) guarded(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(s.controlKey))
	return func(w http.ResponseWriter, r *http.Request) {
		if _, fromPage := r.Header["Origin"]; fromPage {
			writeRefusal(w, &refusal{status: 403, code: "origin_refused", message: "the control endpoint is not for web pages: send no Origin header"})
			return
		}
		got := sha256.Sum256([]byte(r.Header.Get("X-Sandbox-Key")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			writeRefusal(w, &refusal{status: 401, code: "wrong_key", message: "send the control key, printed when the sandbox started, in the header X-Sandbox-Key"})
			return
		}
		next(w, r)
	}
}

func (s *Server) handleControlGet(w http.ResponseWriter, _ *http.Request) {
	state := s.controlState()
	state.KnownFaults, state.Models = FaultNames(), s.Models()
	writeJSON(w, http.StatusOK, state)
}

func (s *Server) handleControlPost(w http.ResponseWriter, r *http.Request) {
	req, err := readControl(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		writeRefusal(w, badRequest("%v", err))
		return
	}
	tokens, err := s.control(req)
	if err != nil {
		writeRefusal(w, badRequest("%v", err))
		return
	}
	state := s.controlState()
	state.Tokens = tokens
	writeJSON(w, http.StatusOK, state)
}

func readControl(body io.Reader) (controlRequest, error) {
	var req controlRequest
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, fmt.Errorf("the body is not a control request: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return req, errors.New("the body has something after the JSON object")
	}
	return req, nil
}

func (s *Server) control(req controlRequest) (*Tokens, error) {
	if req.Clear {
		s.ClearFaults()
	}
	if req.Faults != nil {
		if err := s.SetFaults(req.Faults...); err != nil {
			return nil, err
		}
	}
	if req.ResetCounters {
		s.ResetCounters()
	}
	if req.ClockOffset != nil {
		s.SetClockOffset(time.Duration(*req.ClockOffset))
	}
	if req.AccessTTL != nil {
		s.SetAccessTTL(time.Duration(*req.AccessTTL))
	}
	if req.ExpireAccess {
		s.ExpireAccessTokens()
	}
	if req.RevokeAll {
		s.RevokeAll()
	}
	if req.Device != nil {
		if err := s.ApproveDevice(req.Device.UserCode, req.Device.Approve); err != nil {
			return nil, err
		}
	}
	if err := s.controlAnswers(req); err != nil {
		return nil, err
	}
	if !req.Issue {
		return nil, nil
	}
	var user User
	if req.User != nil {
		user = *req.User
	}
	tokens := s.Issue(user)
	return &tokens, nil
}

// controlAnswers is the part of a control request that is about the backend.
func (s *Server) controlAnswers(req controlRequest) error {
	if req.Models != nil {
		if err := s.SetModels(req.Models...); err != nil {
			return err
		}
	}
	if req.ClearAnswers {
		s.ClearAnswers()
	}
	if err := s.QueueAnswers(req.Answers...); err != nil {
		return err
	}
	if req.DefaultAnswer == nil {
		return nil
	}
	return s.SetDefaultAnswer(*req.DefaultAnswer)
}

func (s *Server) controlState() controlState {
	faults := s.Faults()
	s.mu.Lock()
	defer s.mu.Unlock()
	return controlState{
		Issuer: s.issuer, Backend: s.BackendURL(), ClientID: s.cfg.ClientID,
		ClockOffset: jsonDuration(s.clockOffset), AccessTTL: jsonDuration(s.accessTTL),
		Counters: s.counters, Faults: faults, Answers: len(s.queue),
	}
}
