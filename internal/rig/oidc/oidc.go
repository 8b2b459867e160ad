// Package oidc starts npm's oidc-provider, set up in e2e/oidc: an authorization
// server that this project did not write. It rotates, finds reuse, and then revokes
// the whole login.
package oidc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"codexauth/internal/rig/program"
)

// A Server is a running oidc-provider.
type Server struct {
	// Issuer is its issuer URL, on 127.0.0.1 at a port of the kernel's choice.
	Issuer string

	control, key string
	process      *program.Server
	stdin        io.Closer
}

// Counters is what happened at a [Server] since it started or was last reset.
// The comments of e2e/oidc/record.mjs define each.
type Counters struct {
	TokenRequests      int `json:"token_requests"`
	CodeExchanges      int `json:"code_exchanges"`
	Refreshes          int `json:"refreshes"`
	Reuses             int `json:"reuses"`
	CodeReplays        int `json:"code_replays"`
	DeadFamily         int `json:"dead_family"`
	Refused            int `json:"refused"`
	RevokedGrants      int `json:"revoked_grants"`
	RevocationRequests int `json:"revocation_requests"`
	Revocations        int `json:"revocations"`
	MaxInFlight        int `json:"max_in_flight"`
}

// A TokenRequest is one entry of the server's log.
type TokenRequest struct {
	AtMS      int64  `json:"at_ms"` // Unix milliseconds
	GrantType string `json:"grant_type"`
	Status    int    `json:"status"` // 0: cut off, or not answered yet
}

// A Fault strikes requests to the token endpoint: first the delay, then the cut
// or the status. With neither, the request is only delayed.
type Fault struct {
	When       When   `json:"when"`
	DelayMS    int    `json:"delay_ms,omitempty"`
	Cut        bool   `json:"cut,omitempty"`
	Status     int    `json:"status,omitempty"`
	HTML       bool   `json:"html,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
	Count      int    `json:"count,omitempty"` // how many requests it strikes; 0: all
}

// When a [Fault] strikes.
type When string

const (
	Before When = "before" // the request is not handled: nothing is spent
	After  When = "after"  // the token or code was spent, its successor issued
)

// ErrMissing is the error of Start if this machine lacks Node or the package.
var ErrMissing = errors.New("no foreign authorization server")

// Start starts a server with the flags of server.mjs. It ends with this process, at
// the latest.
func Start(flags ...string) (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: node is not installed", ErrMissing)
	}
	dir := serverDir()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		return nil, fmt.Errorf("%w: oidc-provider is not installed: run `npm ci` in e2e/oidc", ErrMissing)
	}
	for last := false; ; last = true { // Node itself was seen to hang at its start
		cmd := exec.Command(node, append([]string{"server.mjs"}, flags...)...)
		cmd.Dir = dir
		if s, err := start(cmd); err == nil || last {
			return s, err
		}
	}
}

func start(cmd *exec.Cmd) (*Server, error) {
	stdin, err := cmd.StdinPipe() // it ends with its standard input
	if err != nil {
		return nil, err
	}
	var ready struct {
		Issuer, Control string
		ControlKey      string `json:"control_key"`
	}
	process, err := program.Serve(cmd, &ready)
	if err != nil {
		return nil, err
	}
	return &Server{Issuer: ready.Issuer, control: ready.Control, key: ready.ControlKey, process: process, stdin: stdin}, nil
}

// serverDir is e2e/oidc, wherever this is run from.
func serverDir() string {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file))))
	return filepath.Join(root, "e2e", "oidc")
}

// Close ends the server.
func (s *Server) Close() {
	s.stdin.Close()
	s.process.Reap()
}

// Said is what the server has written to its log so far.
func (s *Server) Said() string { return s.process.Log.String() }

// Counters returns what has happened so far.
func (s *Server) Counters() (c Counters, err error) {
	err = s.call(http.MethodGet, "/counters", nil, &c)
	return c, err
}

// Reset starts counters and log from zero.
func (s *Server) Reset() error { return s.call(http.MethodDelete, "/counters", nil, nil) }

// TokenRequests returns the log of requests to the token endpoint.
func (s *Server) TokenRequests() (log []TokenRequest, err error) {
	err = s.call(http.MethodGet, "/requests", nil, &log)
	return log, err
}

// Arm replaces the fault of the token endpoint.
func (s *Server) Arm(f Fault) error { return s.call(http.MethodPut, "/fault", f, nil) }

// Disarm ends every fault.
func (s *Server) Disarm() error { return s.call(http.MethodDelete, "/fault", nil, nil) }

// SetAccessTokenLife sets the life, in whole seconds, of access tokens issued from now on.
func (s *Server) SetAccessTokenLife(life time.Duration) error {
	return s.call(http.MethodPut, "/settings", map[string]int{"access_token_ttl": int(life / time.Second)}, nil)
}

// ControlWithoutKey returns the status that the control endpoint answers to a stranger.
func (s *Server) ControlWithoutKey() (int, error) {
	resp, err := http.Get(s.control + "/counters")
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (s *Server) call(method, path string, body, answer any) error {
	if err := program.Control(method, s.control+path, "X-Control-Key", s.key, body, answer); err != nil {
		return fmt.Errorf("control of oidc-provider: %w", err)
	}
	return nil
}
