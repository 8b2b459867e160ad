package postgres

import (
	"testing"

	"codexauth/internal/rig/check"
	"codexauth/sandbox"
	"codexauth/store/storetest"
)

// TestStorm: many processes that find one expired credential cost one request.
func TestStorm(t *testing.T) { storetest.Storm(t, newPlace(t)) }

// TestRotationSurvivesACutSession: the session breaks while the request is out,
// and what comes back is saved all the same.
func TestRotationSurvivesACutSession(t *testing.T) {
	s := open(t, newURL(t))
	server := sandbox.New(t, sandbox.Config{})
	m := check.ExpiredLogin(t, s, server)
	if err := server.SetFaults(sandbox.Fault{Name: "latency-after", Arg: "1s", Times: 1}); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		_, err := m.Token(patient(t))
		result <- err
	}()
	until(t, "the request is at the server", func() bool { return server.Counters().TokenRequests == 1 })
	cut := admin(t, `SELECT count(pg_terminate_backend(pid)) FROM (SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND $1) l`, true)
	if cut[0] != int64(1) {
		t.Errorf("%v sessions had a claim", cut[0])
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	again := check.Manager(t, s, server, check.RescueDir(t))
	if _, err := again.Token(patient(t)); err != nil {
		t.Fatal(err)
	}
	check.OneRefresh(t, server)
}
