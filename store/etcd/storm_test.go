package etcd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/standstill"
	"codexauth/sandbox"
)

// The variables that make this test binary a process with a role.
const (
	roleVar   = "CODEXAUTH_ETCD_TEST_ROLE"
	placeVar  = "CODEXAUTH_ETCD_TEST_PLACE"
	issuerVar = "CODEXAUTH_ETCD_TEST_ISSUER"
	rescueVar = "CODEXAUTH_ETCD_TEST_RESCUE"
)

const (
	roleToken = "token" // print a token
	roleClaim = "claim" // claim "shared"
)

// play, in a child process, plays its role and exits.
func play() {
	role := os.Getenv(roleVar)
	if role == "" {
		return
	}
	if err := playRole(role); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func playRole(role string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s, err := openPlace(os.Getenv(placeVar))
	if err != nil {
		return err
	}
	defer s.Close()
	if role == roleClaim {
		c, err := s.Claim(ctx, "shared")
		if err == nil {
			err = c.Release()
		}
		return err
	}
	m, err := codexauth.NewManager(managerConfig(s, os.Getenv(issuerVar), os.Getenv(rescueVar)))
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

// childOf is a process of this test binary with more in its environment.
func childOf(t *testing.T, env []string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(append(os.Environ(), env...), "GORACE=atexit_sleep_ms=0")
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

func tokenChild(t *testing.T, place string, server *sandbox.Server) *exec.Cmd {
	t.Helper()
	return child(t, roleToken, place, issuerVar+"="+server.URL(), rescueVar+"="+rescueDir(t))
}

// rescueDir is one that does not exist yet: it is made for its user alone.
func rescueDir(t testing.TB) string { return filepath.Join(t.TempDir(), "rescue") }

func managerConfig(s codexauth.Store, issuer, rescue string) codexauth.Config {
	return codexauth.Config{Store: s, RescueDir: rescue, Lazy: true,
		Provider: codexauth.Provider{Issuer: issuer, ClientID: sandbox.DefaultClientID}}
}

func newManager(t testing.TB, s codexauth.Store, server *sandbox.Server, rescue string) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(managerConfig(s, server.URL(), rescue))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// signIn stores a login whose access token has expired.
func signIn(t testing.TB, s *Store, server *sandbox.Server) *codexauth.Manager {
	t.Helper()
	m := newManager(t, s, server, rescueDir(t))
	login := server.Issue(sandbox.User{})
	_, err := m.Import(patient(t), codexauth.Credential{
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

// wantRequests checks that the login was refreshed once and lives.
func wantRequests(t *testing.T, server *sandbox.Server) {
	t.Helper()
	c := server.Counters()
	if c.TokenRequests != 1 || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d refreshes, %d reuses; want 1, 1, 0", c.TokenRequests, c.Refreshes, c.Reuses)
	}
}

// TestStorm: many processes that find one expired credential cost one request.
func TestStorm(t *testing.T) {
	const processes = 32
	address := newAddress(t)
	server := sandbox.New(t, sandbox.Config{})
	signIn(t, open(t, address), server)
	outputs := make([]string, processes)
	var all sync.WaitGroup
	for i := range processes {
		cmd := tokenChild(t, leaseTTL.String()+" "+address, server)
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
	wantRequests(t, server)
}

// TestStoppedHolder: a process is stopped with its request on its way, for
// longer than its lease. Its successor has the claim, and waits, since the note
// says that the token may be spent. When the process goes on, it saves what it
// received, and the successor adopts it.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	address := newAddress(t)
	s := open(t, address)
	server := sandbox.New(t, sandbox.Config{})
	m := signIn(t, s, server)
	if err := server.SetFaults(sandbox.Fault{Name: "latency-after", Arg: "500ms", Times: 1}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	holder := tokenChild(t, "2s "+address, server)
	holder.Stdout = &out
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the request is at the server", func() bool { return server.Counters().TokenRequests == 1 })
	if err := standstill.Stop(holder.Process); err != nil {
		t.Skip(err)
	}
	until(t, "the lease has ended", func() bool { return queued(t, s, codexauth.DefaultKey) == 0 })
	result := make(chan string, 1)
	go func() {
		token, err := m.Token(patient(t))
		if err != nil {
			t.Error(err)
		}
		result <- "token " + token.AccessToken.Reveal()
	}()
	until(t, "the successor has the claim", func() bool { return queued(t, s, codexauth.DefaultKey) == 1 })
	time.Sleep(2 * time.Second)
	select {
	case <-result:
		t.Fatal("the successor did not wait")
	default:
	}
	if err := standstill.Continue(holder.Process); err != nil {
		t.Fatal(err)
	}
	if err := holder.Wait(); err != nil {
		t.Fatalf("the process that was stopped: %v: %s", err, out.String())
	}
	if got := <-result; got != out.String() {
		t.Error("the successor has another token than the process that was stopped")
	}
	wantRequests(t, server)
}

// TestRotationSurvives: what happens to etcd while the request is out, and the
// new token is saved all the same.
func TestRotationSurvives(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, m *etcdserver.Server, f *front) (mend func()){
		"cut connections": func(_ *testing.T, _ *etcdserver.Server, f *front) func() { f.cut(); return func() {} },
		"a network that is away": func(_ *testing.T, _ *etcdserver.Server, f *front) func() {
			f.down.Store(true)
			f.cut()
			return func() { f.down.Store(false) }
		},
		"answers that are lost": func(_ *testing.T, _ *etcdserver.Server, f *front) func() {
			f.deaf.Store(true)
			return func() { f.deaf.Store(false) }
		},
		"a server that is killed and started": func(t *testing.T, m *etcdserver.Server, _ *front) func() {
			m.Kill()
			return func() {
				if err := m.Start(); err != nil {
					t.Error(err)
				}
			}
		},
		"a server that stands still": func(t *testing.T, m *etcdserver.Server, _ *front) func() {
			if err := standstill.Stop(m.Process()); err != nil {
				t.Skip(err)
			}
			return func() { standstill.Continue(m.Process()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newServer(t)
			if err := m.Ready(); err != nil {
				t.Fatal(err)
			}
			f := newFront(t, m.Endpoint())
			s := open(t, "etcd://"+f.address())
			server := sandbox.New(t, sandbox.Config{})
			rotates := signIn(t, s, server)
			if err := server.SetFaults(sandbox.Fault{Name: "latency-after", Arg: "500ms", Times: 1}); err != nil {
				t.Fatal(err)
			}
			result := make(chan error, 1)
			go func() {
				_, err := rotates.Token(patient(t))
				result <- err
			}()
			until(t, "the request is at the server", func() bool { return server.Counters().TokenRequests == 1 })
			mend := test(t, m, f)
			time.Sleep(1500 * time.Millisecond) // the answer has come, and could not be saved
			mend()
			if err := <-result; err != nil {
				t.Fatal(err)
			}
			if _, err := newManager(t, open(t, "etcd://"+m.Endpoint()), server, rescueDir(t)).Token(patient(t)); err != nil {
				t.Fatal(err)
			}
			wantRequests(t, server)
		})
	}
}
