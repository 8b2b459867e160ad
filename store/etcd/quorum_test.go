package etcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/standstill"
	"codexauth/sandbox"
)

func clusterAddress(all []*etcdserver.Server) string {
	var hosts []string
	for _, m := range all {
		hosts = append(hosts, m.Endpoint())
	}
	return "etcd://" + strings.Join(hosts, ",")
}

// rotating starts a rotation whose request has left, with a rescue directory.
func rotating(t *testing.T, all []*etcdserver.Server) (server *sandbox.Server, rescue string, result <-chan error) {
	t.Helper()
	s := open(t, clusterAddress(all))
	s.ttl = 5 * time.Second // without a quorum it is not given back
	server = sandbox.New(t, sandbox.Config{})
	check.ExpiredLogin(t, s, server)
	rescue = check.RescueDir(t)
	m := check.Manager(t, s, server, rescue)
	if err := server.SetFaults(sandbox.Fault{Name: "latency-after", Arg: "1s", Times: 1}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := m.Token(patient(t))
		done <- err
	}()
	until(t, "the request is at the server", func() bool { return server.Counters().TokenRequests == 1 })
	return server, rescue, done
}

func rescued(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(entries)
}

// TestQuorumLostAndBack: two of three members go away while the request is out
// and come back. The new token is in a rescue file meanwhile, and then in etcd.
func TestQuorumLostAndBack(t *testing.T) {
	for name, test := range map[string]struct {
		away, back func(*etcdserver.Server) error
	}{
		"killed and started": {func(m *etcdserver.Server) error { m.Kill(); return nil }, (*etcdserver.Server).Start},
		"stopped and woken": {
			func(m *etcdserver.Server) error { return standstill.Stop(m.Process()) },
			func(m *etcdserver.Server) error { return standstill.Continue(m.Process()) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := newCluster(t)
			server, rescue, result := rotating(t, all)
			for _, m := range all[:2] {
				if err := test.away(m); errors.Is(err, errors.ErrUnsupported) {
					t.Skip(err)
				}
			}
			until(t, "a rescue file is written", func() bool { return rescued(t, rescue) > 0 })
			for _, m := range all[:2] {
				if err := test.back(m); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-result; err != nil {
				t.Fatal(err)
			}
			if n := rescued(t, rescue); n != 0 {
				t.Errorf("%d rescue files are left", n)
			}
			if _, err := check.Manager(t, open(t, clusterAddress(all)), server, check.RescueDir(t)).Token(patient(t)); err != nil {
				t.Fatal(err)
			}
			check.OneRefresh(t, server)
		})
	}
}

// TestQuorumLostForLong: they don't come back while the rotation tries to save.
// The next start puts the rescued token into etcd.
func TestQuorumLostForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("a rotation tries to save for half a minute")
	}
	t.Parallel()
	all := newCluster(t)
	server, rescue, result := rotating(t, all)
	all[0].Kill()
	all[1].Kill()
	err := <-result
	wantError(t, err, codexauth.ErrNotSaved, rescue)
	if n := rescued(t, rescue); n != 1 {
		t.Fatalf("%d rescue files", n)
	}
	m := check.Manager(t, open(t, clusterAddress(all)), server, rescue)
	if _, err := m.Token(patient(t)); !errors.Is(err, codexauth.ErrTransient) {
		t.Errorf("without a quorum: %v", err)
	}
	for _, m := range all[:2] {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the cluster is back", func() bool { return all[2].Ready() == nil })
	if _, err := m.Token(patient(t)); err != nil {
		t.Fatal(err)
	}
	check.OneRefresh(t, server)
	// A commit that the cluster had given up may have come through by itself: then
	// the file goes at the next refresh.
	if _, err := m.Refresh(patient(t)); err != nil {
		t.Fatal(err)
	}
	if n := rescued(t, rescue); n != 0 {
		t.Errorf("%d rescue files are left", n)
	}
}

// TestOneMemberOfThree is enough to be down or deaf without anybody noticing
// much, wherever it stands in the address.
func TestOneMemberOfThree(t *testing.T) {
	t.Parallel()
	all := newCluster(t)
	for i, away := range []func(*etcdserver.Server) error{
		func(m *etcdserver.Server) error { m.Kill(); return nil },
		func(m *etcdserver.Server) error { return standstill.Stop(m.Process()) },
	} {
		s := open(t, clusterAddress(all))
		put(t, s, "work", fmt.Sprint("before ", i))
		c := mustClaim(t, s, "work")
		waiter := open(t, clusterAddress(slices.Concat(all[1:], all[:1])))
		granted := make(chan error, 1)
		go func() {
			c, err := waiter.Claim(patient(t), "work")
			if err == nil {
				err = c.Release()
			}
			granted <- err
		}()
		until(t, "somebody waits", func() bool { return queued(t, s, "work") == 2 })
		if err := away(all[0]); errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		start := time.Now()
		mustCommit(t, c, fmt.Sprint("after ", i))
		wantLoad(t, open(t, clusterAddress(all)), "work", fmt.Sprint("after ", i))
		mustRelease(t, c)
		if err := <-granted; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
		if i == 0 {
			if err := all[0].Start(); err != nil {
				t.Fatal(err)
			}
			if err := all[0].Ready(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := standstill.Continue(all[0].Process()); err != nil {
		t.Error(err)
	}
}
