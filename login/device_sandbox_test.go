package login

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// A tunnel carries requests out of a synctest bubble to a real server: the
// bubble's clock stands still while one is on its way, and runs ahead between.
// Its channels are made outside. It takes one request at a time.
type tunnel struct {
	requests chan *http.Request
	answers  chan tunnelAnswer
}

type tunnelAnswer struct {
	resp *http.Response
	err  error
}

func newTunnel(t *testing.T) *tunnel {
	n := &tunnel{requests: make(chan *http.Request), answers: make(chan tunnelAnswer)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		transport := &http.Transport{DisableKeepAlives: true}
		for r := range n.requests {
			resp, err := transport.RoundTrip(r)
			if err == nil {
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				resp.Body = io.NopCloser(bytes.NewReader(body))
			}
			n.answers <- tunnelAnswer{resp, err}
		}
	}()
	t.Cleanup(func() { close(n.requests); <-ended })
	return n
}

func (n *tunnel) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(context.Background()) // the bubble's context stays in it
	out.Body = http.NoBody
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	n.requests <- out
	a := <-n.answers
	return a.resp, a.err
}

// deviceSandbox runs a sign-in against a sandbox. decide is called when the code
// is shown, and once more with every Waiting event.
func deviceSandbox(t *testing.T, cfg sandbox.Config, faults []sandbox.Fault, decide func(s *sandbox.Server, code string, waited int)) (*sandbox.Server, deviceRun, codexauth.Account) {
	s := sandbox.New(t, cfg)
	if err := s.SetFaults(faults...); err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: newTunnel(t)}
	var r deviceRun
	var account codexauth.Account
	synctest.Test(t, func(t *testing.T) {
		provider := codexauth.Provider{Issuer: s.URL()}
		m, err := codexauth.NewManager(codexauth.Config{Store: memory.New(), Provider: provider, HTTPClient: hc})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var code string
		d := &Device{Provider: provider, HTTPClient: hc, Events: func(e Event) {
			if c, ok := e.(DeviceCode); ok {
				code = c.UserCode
			}
			if _, ok := e.(Slowed); !ok {
				decide(s, code, len(r.events))
			}
			r.events = append(r.events, e)
		}}
		begun := time.Now()
		r.err = d.Run(t.Context(), func(ctx context.Context, g codexauth.Grant) error {
			r.grants = append(r.grants, g)
			account, err = m.SignIn(ctx, g, codexauth.SignInOptions{})
			return err
		})
		r.took = time.Since(begun)
		if len(r.grants) == 1 {
			if _, err := m.SignIn(t.Context(), r.grants[0], codexauth.SignInOptions{}); !errors.Is(err, codexauth.ErrRequest) && !errors.Is(err, codexauth.ErrRefused) {
				t.Errorf("a grant that was redeemed: %v", err)
			}
		}
	})
	return s, r, account
}

// shapes runs a test in the service's shape and in that of RFC 8628.
func shapes(t *testing.T, test func(t *testing.T, cfg sandbox.Config)) {
	t.Run("service", func(t *testing.T) { test(t, sandbox.Config{NoDiscovery: true}) })
	t.Run("RFC 8628", func(t *testing.T) { test(t, sandbox.Config{}) })
}

func decideAt(waited int, allow bool) func(*sandbox.Server, string, int) {
	return func(s *sandbox.Server, code string, n int) {
		if n == waited {
			s.ApproveDevice(code, allow)
		}
	}
}

func TestDeviceSandboxApproves(t *testing.T) {
	shapes(t, func(t *testing.T, cfg sandbox.Config) {
		s, r, account := deviceSandbox(t, cfg, nil, decideAt(20, true))
		c := s.Counters()
		if r.err != nil || account.Email != "dev@sandbox.test" || c.DeviceExchanges+c.CodeExchanges != 1 || c.DevicePolls < 3 {
			t.Errorf("%v, account %v, counters %+v", r.err, account, c)
		}
		if e := r.events[0].(DeviceCode); e.VerificationURL != s.URL()+"/codex/device" || cfg.NoDiscovery != (e.CompleteURL == "") {
			t.Errorf("shown %+v", e)
		}
	})
}

func TestDeviceSandboxDenies(t *testing.T) {
	shapes(t, func(t *testing.T, cfg sandbox.Config) {
		_, r, _ := deviceSandbox(t, cfg, nil, decideAt(3, false))
		if !errors.Is(r.err, ErrDenied) || len(r.grants) != 0 {
			t.Errorf("got %v", r.err)
		}
	})
}

// The bubble's clock ends the waiting in one case, the server's in the other.
func TestDeviceSandboxExpires(t *testing.T) {
	nobody := func(*sandbox.Server, string, int) {}
	later := func(s *sandbox.Server, _ string, n int) {
		if n == 10 {
			s.SetClockOffset(time.Hour)
		}
	}
	shapes(t, func(t *testing.T, cfg sandbox.Config) {
		cfg.DeviceTTL = 2 * time.Minute
		if _, r, _ := deviceSandbox(t, cfg, nil, nobody); !errors.Is(r.err, ErrTimeout) || r.took.Round(2*time.Second) != cfg.DeviceTTL {
			t.Errorf("%v after %v", r.err, r.took)
		}
		if _, r, _ := deviceSandbox(t, cfg, nil, later); !errors.Is(r.err, ErrTimeout) || !strings.Contains(r.err.Error(), "expired") {
			t.Errorf("%v after %v", r.err, r.took)
		}
	})
}

func TestDeviceSandboxIsNotEnabled(t *testing.T) {
	_, r, _ := deviceSandbox(t, sandbox.Config{NoDiscovery: true}, []sandbox.Fault{{Name: "device-start", Arg: "404"}}, nil)
	if !errors.Is(r.err, ErrDeviceNotEnabled) {
		t.Errorf("got %v", r.err)
	}
}

// Faults slow the sign-in down and do not end it.
func TestDeviceSandboxFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    sandbox.Config
		faults []sandbox.Fault
		slowed int
	}{
		{"no interval", sandbox.Config{NoDiscovery: true}, []sandbox.Fault{{Name: "device-no-interval"}}, 0},
		{"RFC, no interval", sandbox.Config{}, []sandbox.Fault{{Name: "device-no-interval"}}, 0},
		{"429", sandbox.Config{NoDiscovery: true}, []sandbox.Fault{{Name: "device-poll", Arg: "429", Times: 2}}, 2},
		{"5xx", sandbox.Config{NoDiscovery: true}, []sandbox.Fault{{Name: "device-poll", Arg: "503", Times: 3}}, 3},
		{"RFC, 429", sandbox.Config{}, []sandbox.Fault{{Name: "rate-limit", Arg: "40", Times: 1, Grant: "device"}}, 1},
		{"RFC, 5xx", sandbox.Config{}, []sandbox.Fault{{Name: "status", Arg: "502", Times: 2, Grant: "device"}}, 2},
		{"RFC, dropped", sandbox.Config{}, []sandbox.Fault{{Name: "drop-before", Times: 2, Grant: "device"}}, 2},
		{"RFC, HTML", sandbox.Config{}, []sandbox.Fault{{Name: "html", Times: 1, Grant: "device"}, {Name: "html-status", Arg: "403", Times: 1, Grant: "device"}}, 2},
		{"RFC, redirect", sandbox.Config{}, []sandbox.Fault{{Name: "redirect", Times: 1, Grant: "device"}}, 1},
		{"RFC, garbage behind", sandbox.Config{}, []sandbox.Fault{{Name: "trailing", Times: 1, Grant: "device"}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, r, account := deviceSandbox(t, tt.cfg, tt.faults, decideAt(0, true))
			if r.err != nil || account.ID == "" || len(r.slowed()) != tt.slowed {
				t.Errorf("%v, account %v, slowed %+v", r.err, account, r.slowed())
			}
			if left := s.Faults(); tt.faults[0].Times > 0 && len(left) != 0 || s.Counters().RedirectsTaken != 0 {
				t.Errorf("faults left: %v", left)
			}
			if r.took > 3*time.Minute {
				t.Errorf("it took %v", r.took)
			}
		})
	}
}

// The server gave the tokens out and nobody got them: say so, don't wait on.
func TestDeviceSandboxAnswerIsLost(t *testing.T) {
	for _, fault := range []sandbox.Fault{{Name: "drop-after"}, {Name: "status-after", Arg: "502"}} {
		_, r, _ := deviceSandbox(t, sandbox.Config{}, []sandbox.Fault{fault}, decideAt(0, true))
		if r.err == nil || !strings.Contains(r.err.Error(), "approved, but the answer got lost") || r.took > time.Minute {
			t.Errorf("%s: %v after %v", fault.Name, r.err, r.took)
		}
	}
}

// In real time: the server never finds that it is polled too fast, and nothing
// is left behind.
func TestDeviceSandboxInRealTime(t *testing.T) {
	noLeak(t)
	s := sandbox.New(t, sandbox.Config{DeviceInterval: time.Second})
	d := &Device{Provider: codexauth.Provider{Issuer: s.URL()}}
	polls := 0
	d.Events = func(e Event) {
		c, ok := e.(DeviceCode)
		if ok {
			time.AfterFunc(1500*time.Millisecond, func() { s.ApproveDevice(c.UserCode, true) })
		}
	}
	err := d.Run(t.Context(), func(context.Context, codexauth.Grant) error { polls = s.Counters().DevicePolls; return nil })
	if c := s.Counters(); err != nil || polls != 2 || c.DeviceFastPolls != 0 {
		t.Errorf("%v after %d polls, counters %+v", err, polls, c)
	}
}
