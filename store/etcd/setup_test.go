package etcd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/freeport"
	"codexauth/store/etcd/internal/gateway"
	"codexauth/store/storetest"
)

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"etcd://localhost":                     "etcd://localhost:2379/codexauth/",
		"etcd://a:1,b,[::1],[::2]:7/":          "etcd://a:1,b:2379,[::1]:2379,[::2]:7/codexauth/",
		"etcd://me@a/team":                     "etcd://a:2379/team/",
		"etcd://a//team%20b/x/":                "etcd://a:2379//team%20b/x/",
		"etcds://me%40home@a/%40b%3Fc%23d%25/": "etcds://a:2379/%40b%3Fc%23d%25/",
	} {
		t.Setenv(passwordVariable, "secret-Passw0rd")
		s := open(t, address)
		if s.String() != want {
			t.Errorf("%s: String() = %q, want %q", address, s, want)
		}
		if again := open(t, s.Address()); again.Address() != s.Address() || again.name != want || again.prefix != s.prefix {
			t.Errorf("%s: Address() = %q, which opens %v", address, s.Address(), again)
		}
		if text := fmt.Sprintf("%v %+v %+v %s", s, s, s.gateway, s.Address()); strings.Contains(text, "Passw0rd") {
			t.Errorf("a password is shown: %s", text)
		}
	}
}

// TestBadAddress: what is wrong is said without the address.
func TestBadAddress(t *testing.T) {
	dir := t.TempDir()
	for _, address := range []string{
		"etcd://me:Passw0rd@host", "etcd://me:12/Passw0rd@host/p", "etcd://me:p@Passw0rd@host", "etcd://me:a#Passw0rd@host",
		"etcd://me:a?Passw0rd@host", "etcd://:Passw0rd@host", "etcd://", "etcd://,", "etcd://Passw0rd:port", "etcd://a,,Passw0rd",
		"etcd://Passw0rd b", "etcd://[::1", "http://Passw0rd", "Passw0rd", "etcd://%zzPassw0rd@host", "etcd://a/%zzPassw0rd",
		"etcds://a?cacert=/nowhere/Passw0rd", "etcds://a?cert=Passw0rd", "etcds://a?cert=Passw0rd&key=Passw0rd",
		"etcd://a?cacert=Passw0rd", "etcds://a?Passw0rd", "etcds://a?password=Passw0rd", "etcds://a?cacert=", "etcds://a?cacert=x&cacert=Passw0rd",
		"etcd://me@a", "etcd://me@a?passfile=/nowhere/Passw0rd", "etcds://a?cacert=" + dir, "etcds://a?%zzPassw0rd",
	} {
		s, err := Open(address)
		if err == nil {
			s.Close()
			t.Errorf("%q was taken", address)
			continue
		}
		wantError(t, err, nil, "open etcd store")
		if strings.Contains(address, ":Passw0rd@") {
			wantError(t, err, nil, "a password does not belong")
		}
		if strings.Contains(err.Error(), dir) {
			t.Errorf("%v repeats the address", err)
		}
	}
	_, err := New(Config{})
	wantError(t, err, nil, "Endpoints")
	_, err = New(Config{Endpoints: []string{"http://me:Passw0rd@a"}})
	wantError(t, err, nil, "host:port")
}

// grantFleet turns authentication on, with the role that the guide describes.
func grantFleet(t *testing.T, m *etcdserver.Server, prefix string) {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	for _, step := range [][2]string{
		{"auth/user/add", `{"name":"root","password":"root-Passw0rd"}`},
		{"auth/user/grant", `{"user":"root","role":"root"}`},
		{"auth/role/add", `{"name":"fleet"}`},
		{"auth/role/grant", fmt.Sprintf(`{"name":"fleet","perm":{"permType":"READWRITE","key":%q,"range_end":%q}}`,
			b64([]byte(prefix)), b64(gateway.PrefixEnd([]byte(prefix))))},
		{"auth/user/add", `{"name":"fleet","password":"fleet-Passw0rd"}`},
		{"auth/user/grant", `{"user":"fleet","role":"fleet"}`},
		{"auth/enable", `{}`},
	} {
		if step[0] == "auth/user/grant" && strings.Contains(step[1], "root") {
			admin(t, m, "auth/role/add", `{"name":"root"}`)
		}
		admin(t, m, step[0], step[1])
	}
}

// TestLeastPrivileges: the whole contract, with the role that the guide describes.
func TestLeastPrivileges(t *testing.T) {
	m := newServer(t, "--bcrypt-cost", "4")
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	grantFleet(t, m, "places/")
	t.Setenv(passwordVariable, "fleet-Passw0rd")
	storetest.Run(t, func(t *testing.T) storetest.Place {
		address := fmt.Sprintf("etcd://fleet@%s/places/%d", m.Endpoint(), time.Now().UnixNano())
		return storetest.Place{
			Name:      leaseTTL.String() + " " + address,
			Open:      func() codexauth.Store { return open(t, address) },
			Overwrite: func(key string, record []byte) { overwrite(t, open(t, address), key, record) },
		}
	})
}

func TestAuthentication(t *testing.T) {
	m := newServer(t, "--bcrypt-cost", "4")
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(passwordVariable, "fleet-Passw0rd")
	refused := func(s *Store, want error, parts ...string) {
		t.Helper()
		_, loadErr := s.Load(patient(t), "work")
		_, claimErr := s.Claim(patient(t), "work")
		_, listErr := s.List(patient(t))
		for _, err := range []error{loadErr, claimErr, listErr} {
			wantError(t, err, want, append(parts, s.String())...)
		}
	}
	refused(open(t, "etcd://fleet@"+m.Endpoint()), codexauth.ErrStoreUnsafe, "auth enable")
	grantFleet(t, m, DefaultPrefix)
	refused(open(t, "etcd://"+m.Endpoint()), nil, "wants a user")
	refused(open(t, "etcd://fleet@"+m.Endpoint()+"/elsewhere"), nil, "permission denied", "grant-permission")
	t.Setenv(passwordVariable, "wrong-Passw0rd")
	refused(open(t, "etcd://fleet@"+m.Endpoint()), nil, "check the user")
	refused(open(t, "etcd://nobody@"+m.Endpoint()), nil, "check the user")

	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("fleet-Passw0rd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rootFile := filepath.Join(t.TempDir(), "root")
	if err := os.WriteFile(rootFile, []byte("root-Passw0rd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "etcd://fleet@"+m.Endpoint()+"?passfile="+file)
	put(t, s, "by file", "x")
	t.Setenv(passwordVariable, "")
	t.Setenv(ctlUser, "fleet:fleet-Passw0rd")
	put(t, open(t, "etcd://"+m.Endpoint()), "by etcdctl's variable", "x")
	t.Setenv(ctlUser, "fleet")
	t.Setenv(ctlPassword, "fleet-Passw0rd")
	put(t, open(t, "etcd://"+m.Endpoint()), "by etcdctl's variables", "x")

	// A token that the server does not know, in the middle of a claim.
	c := mustClaim(t, s, "work")
	root := open(t, "etcd://root@"+m.Endpoint()+"?passfile="+rootFile)
	if _, err := root.gateway.Call(patient(t), "auth/disable", struct{}{}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	admin(t, m, "auth/enable", `{}`)
	mustCommit(t, c, "after the server forgot all tokens")
	waiter := open(t, s.Address())
	granted := make(chan error, 1)
	go func() {
		c, err := waiter.Claim(patient(t), "work")
		if err == nil {
			err = c.Release()
		}
		granted <- err
	}()
	until(t, "somebody waits", func() bool { return queued(t, s, "work") == 2 })
	time.Sleep(100 * time.Millisecond) // and has heard so
	m.Kill()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the server is back, and has forgotten its tokens", func() bool {
		_, err := s.Load(patient(t), "work")
		return err == nil
	})
	mustCommit(t, c, "after a restart")
	mustRelease(t, c)
	if err := <-granted; err != nil {
		t.Error(err)
	}
	if keys, err := s.List(patient(t)); err != nil || len(keys) != 4 {
		t.Errorf("List() = %q, %v", keys, err)
	}
}

// TestEndpoints: some are dead, deaf, or not etcd.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	good := need(t).Endpoint()
	closed := fmt.Sprintf("127.0.0.1:%d", freeport.One(t))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	prefix := open(t, newAddress(t)).prefix
	for _, endpoints := range [][]string{
		{closed, good}, {closed, closed, good}, {silent.Addr().String(), good}, {good, closed}, {silent.Addr().String(), closed, good},
	} {
		s, err := New(Config{Endpoints: endpoints, Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		put(t, s, "work", "x")
		if took := time.Since(start); took > 2*gateway.EndpointTimeout {
			t.Errorf("with %v it took %v", endpoints, took)
		}
		start = time.Now()
		wantLoad(t, s, "work", "x")
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("with %v the second time took %v", endpoints, took)
		}
		s.Close()
	}

	dead := open(t, "etcd://"+closed)
	_, err = dead.Load(patient(t), "work")
	wantError(t, err, codexauth.ErrTransient, dead.String(), "refused")
	_, err = dead.Claim(expired(t), "work")
	wantError(t, err, codexauth.ErrTransient, dead.String(), "refused")

	deaf := open(t, "etcd://"+silent.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = deaf.Load(ctx, "work")
	wantError(t, err, context.DeadlineExceeded, deaf.String(), "is the server there")
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = deaf.Claim(cancelled, "work")
	wantError(t, err, context.Canceled)
}

// TestRedirectIsNotFollowed: what is sent holds tokens and goes to etcd alone.
func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	s := open(t, "etcd://"+server.Listener.Addr().String())
	_, err := s.Load(patient(t), "work")
	wantError(t, err, nil, "an answer that is not etcd's: HTTP 307")
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// TestStrangeAnswers of what is not etcd are errors.
func TestStrangeAnswers(t *testing.T) {
	for name, answer := range map[string]string{"a page": "<html>", "nothing": "", "another JSON": `{"kvs":"x"}`, "half": `{"kvs":[`, "an empty object": "{}"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		s := open(t, "etcd://"+server.Listener.Addr().String())
		_, err := s.Load(patient(t), "work")
		wantError(t, err, nil, "can't be read")
		if errors.Is(err, codexauth.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = s.Claim(patient(t), "work")
		wantError(t, err, nil)
		server.Close()
	}
}

// TestGatewayIsOff: it says which of the server's options is missing.
func TestGatewayIsOff(t *testing.T) {
	t.Parallel()
	m := newServer(t, "--enable-grpc-gateway=false")
	s := open(t, "etcd://"+m.Endpoint())
	var err error
	until(t, "it answers", func() bool {
		_, err = s.Load(patient(t), "work")
		return !strings.Contains(err.Error(), "refused")
	})
	wantError(t, err, nil, "--enable-grpc-gateway")
}
