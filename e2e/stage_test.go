package e2e

import (
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// A stage is what a tool is tried on: a login at a sandbox, and a tap that sees
// what comes to the backend.
type stage struct {
	sandbox *rig.Sandbox
	tap     *rig.Tap
	cli     *rig.CLI
}

// newStage signs in with a token that lives that long; others live an hour.
func newStage(t *testing.T, life time.Duration) *stage {
	t.Helper()
	s := rig.StartSandbox(t, "--auto-approve", "--access-ttl", life.String())
	tap := rig.NewTap(t, s)
	st := &stage{sandbox: s, tap: tap, cli: rig.NewCLI(t, tap.Issuer)}
	signIn(t, st.cli)
	s.Control(t, map[string]any{"access_ttl": "1h", "reset_counters": true})
	return st
}

// ways are those in which a tool comes to use the login, each with a broker of
// its own.
func (st *stage) ways() map[string]func(*testing.T) rig.Way {
	return map[string]func(*testing.T) rig.Way{
		"exec": func(*testing.T) rig.Way { return st.cli.ThroughExec() },
		"serve": func(t *testing.T) rig.Way {
			key := st.cli.AddKey(t, "tool")
			return st.cli.StartServe(t, "--listen", "127.0.0.1:0").ThroughServe("serve", key)
		},
		"serve with TLS": func(t *testing.T) rig.Way {
			cert, key := rig.NewCertificate(t), st.cli.AddKey(t, "tool")
			s := st.cli.StartServe(t, append(cert.Flags(), "--listen", "127.0.0.1:0")...)
			return s.ThroughServe("tls", key, cert.Trusting()...)
		},
	}
}

// eachWay runs a test once for each way, with a login of its own.
func eachWay(t *testing.T, life time.Duration, run func(*testing.T, *stage, rig.Way)) {
	t.Parallel()
	for name := range new(stage).ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, life)
			run(t, st, st.ways()[name](t))
		})
	}
}

// wantSigned fails unless each request came to the backend with the credentials
// of the account and nothing of the way that it took.
func (st *stage) wantSigned(t *testing.T, tokens ...string) {
	t.Helper()
	seen := st.tap.Seen()
	if len(seen) == 0 {
		t.Error("the backend has seen no request")
	}
	account := readStatus(t, st.cli, exitDone).AccountID
	for _, r := range seen {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if known := ok && (len(tokens) == 0 || contains(tokens, bearer)); !known || len(r.Header["Authorization"]) != 1 {
			t.Errorf("%s %s: not signed with a token of the login", r.Method, r.Path)
		}
		if got := r.Header["Chatgpt-Account-Id"]; len(got) != 1 || got[0] != account {
			t.Errorf("%s %s: the account is %q, want %q", r.Method, r.Path, got, account)
		}
		for name, values := range r.Header {
			text := name + ": " + strings.Join(values, ", ")
			if strings.Contains(text, "codexauth_") || strings.HasPrefix(name, "X-Forwarded") || name == "Cookie" {
				t.Errorf("%s %s: the backend is sent the header %s", r.Method, r.Path, name)
			}
		}
		if strings.Contains(string(r.Body), "codexauth_") {
			t.Errorf("%s %s: a key is in the body", r.Method, r.Path)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// wantRefreshes fails unless the login was refreshed so many times and is whole.
func (st *stage) wantRefreshes(t *testing.T, n int) {
	t.Helper()
	if c := st.sandbox.Counters(t); c["refreshes"] != n || c["token_requests"] != n || c["reuses"] != 0 || c["families_revoked"] != 0 {
		t.Errorf("counters %v, want %d refreshes and nothing else", c, n)
	}
}

// hear waits for the next line of the SDK's program that is not about an event
// of the backend's own, which strict clients need not be sent.
func hear(t *testing.T, talk *rig.Talk) rig.Said {
	t.Helper()
	for {
		if said := rig.ParseSaid(t, talk.Hear(t)); !isOwn(said.Event) {
			return said
		}
	}
}

// isOwn tells the events that are the backend's own and no part of the API.
func isOwn(event string) bool {
	return strings.HasPrefix(event, "codex.") || strings.HasPrefix(event, "responsesapi.")
}

// passToWork lets events out of the backend up to the first that is work, and
// returns those that a tool is sent. It gets none before that one: until then, a
// failure is an answer with a status of its own.
func passToWork(t *testing.T, gate *rig.Gate) (passed []string) {
	t.Helper()
	for {
		name := gate.Next(t)
		if isOwn(name) {
			continue
		}
		passed = append(passed, name)
		switch name {
		case "response.created", "response.queued", "response.in_progress":
		default:
			return passed
		}
	}
}

// begin lets an answer begin, and the tool hear what it is sent of it.
func begin(t *testing.T, gate *rig.Gate, talk *rig.Talk) {
	t.Helper()
	for range passToWork(t, gate) {
		hear(t, talk)
	}
}

// answered reads on to the end of an answer and returns what it says.
func answered(t *testing.T, talk *rig.Talk) string {
	t.Helper()
	for {
		said := hear(t, talk)
		if said.Error != nil {
			t.Fatalf("the SDK reports %+v", *said.Error)
		}
		if said.Said != "" {
			return said.Said
		}
	}
}

// ask sends a prompt and waits for the whole answer, which is the prompt.
func ask(t *testing.T, talk *rig.Talk, prompt string) {
	t.Helper()
	talk.Say(t, prompt)
	if got := answered(t, talk); got != prompt {
		t.Errorf("asked %q, answered %q", prompt, got)
	}
}

// sdk runs the SDK's program for one command and returns its one line.
func sdk(t *testing.T, w rig.Way, args ...string) rig.Said {
	t.Helper()
	r := w.Run(t, rig.NodeSDK(t, args...)...)
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	if r.Code != 0 || len(lines) != 1 {
		t.Fatalf("the SDK's program: exit %d, %q; it said %q", r.Code, r.Stdout, r.Stderr)
	}
	return rig.ParseSaid(t, lines[0])
}
