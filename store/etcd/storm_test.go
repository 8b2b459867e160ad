package etcd

import (
	"bytes"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/standstill"
	"codexauth/sandbox"
	"codexauth/store/storetest"
)

// TestStorm: many processes that find one expired credential cost one request.
func TestStorm(t *testing.T) { storetest.Storm(t, newPlace(t)) }

// TestStoppedHolder: a process is stopped with its request on its way, for
// longer than its lease. Its successor has the claim, and waits, since the note
// says that the token may be spent. When the process goes on, it saves what it
// received, and the successor adopts it.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	address := newAddress(t)
	s := open(t, address)
	server := sandbox.New(t, sandbox.Config{})
	m := check.ExpiredLogin(t, s, server)
	if err := server.SetFaults(sandbox.Fault{Name: "latency-after", Arg: "500ms", Times: 1}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	holder := storetest.TokenProcess(t, storetest.Place{Name: "2s " + address}, server)
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
	check.OneRefresh(t, server)
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
			rotates := check.ExpiredLogin(t, s, server)
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
			if _, err := check.Manager(t, open(t, "etcd://"+m.Endpoint()), server, check.RescueDir(t)).Token(patient(t)); err != nil {
				t.Fatal(err)
			}
			check.OneRefresh(t, server)
		})
	}
}
