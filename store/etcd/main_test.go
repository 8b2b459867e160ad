package etcd

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/scratch"
	"codexauth/store/etcd/internal/gateway"
	"codexauth/store/storetest"
)

// testServer is a server of one member that most tests share; missing says why
// there is none.
var (
	testServer *etcdserver.Server
	missing    error
)

func TestMain(m *testing.M) {
	storetest.Main(func(place string) (codexauth.Store, error) { return openPlace(place) })
	var dir *scratch.Dir
	if dir, missing = scratch.New("codexauth-etcd-"); missing == nil {
		missing = startTestServer(dir.Path)
		// Those who are killed here leave what shows that they have died.
		os.Setenv("XDG_RUNTIME_DIR", dir.Path)
	}
	code := m.Run()
	testServer.Kill()
	_ = dir.Remove()
	os.Exit(code)
}

func startTestServer(dir string) error {
	all, err := etcdserver.New(dir, 1)
	if err != nil {
		return err
	}
	testServer = all[0]
	if err := testServer.Start(); err != nil {
		return err
	}
	return testServer.Ready()
}

// need skips the test where there is no etcd, or fails it where
// CODEXAUTH_E2E_REQUIRED=1 says that there must be one.
func need(t testing.TB) *etcdserver.Server {
	t.Helper()
	if missing == nil {
		return testServer
	}
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return nil
}

// newServer starts a server for one test.
func newServer(t testing.TB, args ...string) *etcdserver.Server {
	t.Helper()
	return newMembers(t, 1, args...)[0]
}

// newMembers starts a cluster for one test, and does not wait for it.
func newMembers(t testing.TB, n int, args ...string) []*etcdserver.Server {
	t.Helper()
	need(t)
	all, err := etcdserver.New(t.TempDir(), n, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		t.Cleanup(m.Kill)
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// newCluster starts three members for one test.
func newCluster(t testing.TB) []*etcdserver.Server {
	t.Helper()
	all := newMembers(t, 3)
	for _, m := range all {
		if err := m.Ready(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// admin asks a server for what the store never asks for.
func admin(t testing.TB, m *etcdserver.Server, path, body string) {
	t.Helper()
	if _, err := gateway.New(gateway.Config{Endpoints: []string{m.Endpoint()}}).Call(patient(t), path, json.RawMessage(body), &struct{}{}); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// openPlace opens a place by its name: an address, with the time of its leases
// before it.
func openPlace(place string) (*Store, error) {
	ttl, address, _ := strings.Cut(place, " ")
	d, err := time.ParseDuration(ttl)
	if err != nil {
		return nil, err
	}
	s, err := Open(address)
	if err == nil {
		s.ttl = d
	}
	return s, err
}
