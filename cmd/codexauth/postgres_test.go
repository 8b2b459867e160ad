package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"codexauth"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/pgserver"
	"codexauth/sandbox"
	"codexauth/store/postgres"
)

// database is the server of all tests here. It is stopped when this process ends.
var database = sync.OnceValues(func() (*pgserver.Server, error) {
	s, err := pgserver.Start(pgserver.Options{NoSync: true, Chatty: true})
	if err == nil {
		atEnd(s.Stop)
	}
	return s, err
})

var schemas atomic.Int32

// newAddress makes a place of its own in the database, and returns its address
// without a password. PGPASSWORD gives that.
func newAddress() (address, password string, err error) {
	s, err := database()
	if err != nil {
		return "", "", err
	}
	return newAddressOf(s)
}

func newAddressOf(s *pgserver.Server) (address, password string, err error) {
	schema := fmt.Sprint("place_", schemas.Add(1))
	if _, err := s.Query(pgserver.Database, "CREATE SCHEMA "+schema+" AUTHORIZATION "+pgserver.Fleet); err != nil {
		return "", "", err
	}
	u := s.TCP(pgserver.Fleet, "")
	u.User = url.User(pgserver.Fleet)
	u.RawQuery += "&search_path=" + schema
	return u.String(), pgserver.FleetPassword, nil
}

// hasDatabase is the condition "postgres" of scripts.
func hasDatabase() (bool, error) {
	_, err := database()
	if err != nil && (os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true") {
		return false, err
	}
	return err == nil, nil
}

// scriptPostgres keeps the script's logins in a database from now on, and sets
// ADDRESS, and LOUD to the same with the password in it.
func scriptPostgres(ts *testscript.TestScript, _ bool, _ []string) {
	address, password, err := newAddress()
	ts.Check(err)
	loud, err := url.Parse(address)
	ts.Check(err)
	loud.User = url.UserPassword(pgserver.Fleet, password)
	ts.Setenv("ADDRESS", address)
	ts.Setenv("LOUD", loud.String())
	ts.Setenv("PGPASSWORD", password)
	ts.Setenv("CODEXAUTH_STORE", address)
}

// scriptLogged tells whether the server has logged a text, of anybody.
func scriptLogged(ts *testscript.TestScript, neg bool, args []string) {
	s, err := database()
	ts.Check(err)
	log, err := os.ReadFile(s.Data() + ".log")
	ts.Check(err)
	if logged := strings.Contains(string(log), args[0]); logged == neg {
		ts.Fatalf("the server's log says %q: %t", args[0], logged)
	}
}

// newShared is newBox with the login in a database, over the network.
func newShared(t *testing.T, cfg sandbox.Config) *box {
	t.Helper()
	there, err := hasDatabase()
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		t.Skip("no PostgreSQL server on this machine")
	}
	address, password, err := newAddress()
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, cfg)
	b.env = append(b.env, "CODEXAUTH_STORE="+address, "PGPASSWORD="+password)
	return b
}

// expire stores a login in the box's database whose token has ended.
func (b *box) expire(t *testing.T) {
	t.Helper()
	var address, password string
	for _, pair := range b.env {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "CODEXAUTH_STORE":
			address = value
		case "PGPASSWORD":
			password = value
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	store, err := postgres.Open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b.expireIn(t, store)
}

// expireIn stores a login whose token has ended.
func (b *box) expireIn(t *testing.T, store codexauth.Store) {
	t.Helper()
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Lazy: true, Provider: codexauth.Provider{Issuer: b.server.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b.server.SetAccessTTL(-time.Hour)
	grant, err := grantOf(b.server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.SignIn(context.Background(), grant, codexauth.SignInOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	b.server.SetAccessTTL(time.Hour)
	b.server.ResetCounters()
}

// Commands that share nothing but a database: one token request.
func TestSharedThroughPostgres(t *testing.T) {
	b := newShared(t, sandbox.Config{})
	b.expire(t)
	b.asOnEightMachines(t)
}

// asOnEightMachines checks that commands that share nothing but the store and its
// expired token cost one token request.
func (b *box) asOnEightMachines(t *testing.T) {
	t.Helper()
	tokens := make([]string, 8)
	var all sync.WaitGroup
	for i := range tokens {
		home := t.TempDir() // as on as many machines
		cmd := b.command("token")
		cmd.Env = append(cmd.Environ(), "HOME="+home, "CODEXAUTH_HOME="+home, "TMPDIR="+home)
		all.Go(func() {
			r := finish(cmd)
			tokens[i] = r.stdout
			if r.code != verdict.Done {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Error("not all got the same token")
		}
	}
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d reuses; want 1, 0", c.TokenRequests, c.Reuses)
	}
}
