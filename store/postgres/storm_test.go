package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/sandbox"
)

// The variables that make this test binary one process of a storm.
const (
	stormPlaceVar  = "CODEXAUTH_POSTGRES_TEST_PLACE"
	stormIssuerVar = "CODEXAUTH_POSTGRES_TEST_ISSUER"
	stormRescueVar = "CODEXAUTH_POSTGRES_TEST_RESCUE"
)

// playStorm, in a child process, prints a token and exits.
func playStorm() {
	place := os.Getenv(stormPlaceVar)
	if place == "" {
		return
	}
	if err := printToken(place); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func printToken(place string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Open(place)
	if err != nil {
		return err
	}
	defer s.Close()
	m, err := codexauth.NewManager(managerConfig(s, os.Getenv(stormIssuerVar), os.Getenv(stormRescueVar)))
	if err != nil {
		return err
	}
	token, err := m.Token(ctx)
	if err != nil {
		return err
	}
	fmt.Print("token ", token.AccessToken.Reveal())
	return m.Close()
}

func managerConfig(s codexauth.Store, issuer, rescue string) codexauth.Config {
	return codexauth.Config{Store: s, RescueDir: rescue, Lazy: true,
		Provider: codexauth.Provider{Issuer: issuer, ClientID: sandbox.DefaultClientID}}
}

// signIn stores a login whose access token has expired.
func signIn(t *testing.T, s *Store, server *sandbox.Server) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(managerConfig(s, server.URL(), t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	login := server.Issue(sandbox.User{})
	_, err = m.Import(patient(t), codexauth.Credential{
		AccessToken:  codexauth.NewSecret(login.AccessToken),
		RefreshToken: codexauth.NewSecret(login.RefreshToken),
		IDToken:      codexauth.NewSecret(login.IDToken),
		LastRefresh:  time.Now().Add(-2 * time.Hour),
		Expiry:       time.Now().Add(-time.Hour),
	}, codexauth.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestStorm: many processes that find one expired credential cost one request.
func TestStorm(t *testing.T) {
	const processes = 32
	u := newURL(t)
	server := sandbox.New(t, sandbox.Config{})
	signIn(t, open(t, u), server)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	outputs := make([]string, processes)
	var all sync.WaitGroup
	for i := range processes {
		cmd := exec.CommandContext(patient(t), exe, "-test.run=^$")
		cmd.Env = append(os.Environ(), stormPlaceVar+"="+u.String(), stormIssuerVar+"="+server.URL(),
			stormRescueVar+"="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("child: %v: %s", err, bytes.TrimSpace(out))
			}
			outputs[i] = string(out)
		})
	}
	all.Wait()
	for _, out := range outputs {
		if out != outputs[0] || !strings.HasPrefix(out, "token ey") {
			t.Fatal("the processes did not all get the same token")
		}
	}
	c := server.Counters()
	if c.TokenRequests != 1 || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d refreshes, %d reuses; want 1, 1, 0", c.TokenRequests, c.Refreshes, c.Reuses)
	}
}

// TestRotationSurvivesACutSession: the session breaks while the request is out,
// and what comes back is saved all the same.
func TestRotationSurvivesACutSession(t *testing.T) {
	s := open(t, newURL(t))
	server := sandbox.New(t, sandbox.Config{})
	m := signIn(t, s, server)
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
	again, err := codexauth.NewManager(managerConfig(s, server.URL(), t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Token(patient(t)); err != nil {
		t.Fatal(err)
	}
	if c := server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d reuses; want 1, 0", c.TokenRequests, c.Reuses)
	}
}
