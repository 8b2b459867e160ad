package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/storetest"
)

// member is an etcd server of these tests.
type member struct {
	name         string
	dir          string
	client, peer int // ports
	args         []string
	cmd          *exec.Cmd
	keeper       *exec.Cmd // ends the server when this process ends, however it ends
	hold         io.Closer // the keeper's standard input
}

// testServer is a server of one member that most tests share; missing says why
// there is none.
var (
	testServer *member
	missing    error
)

func TestMain(m *testing.M) {
	storetest.Main(func(place string) (codexauth.Store, error) { return openPlace(place) })
	play()
	var dir string
	if dir, missing = os.MkdirTemp("", "codexauth-etcd-"); missing == nil {
		if testServer, missing = startMember(dir); missing == nil {
			missing = testServer.ready()
		}
	}
	code := m.Run()
	testServer.kill()
	os.RemoveAll(dir)
	os.Exit(code)
}

// need skips the test where there is no etcd, or fails it where
// CODEXAUTH_E2E_REQUIRED=1 says that there must be one.
func need(t testing.TB) *member {
	t.Helper()
	if missing == nil {
		return testServer
	}
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return nil
}

// startMember starts a cluster of one.
func startMember(dir string, args ...string) (*member, error) {
	all, err := newMembers(dir, 1, args...)
	if err != nil {
		return nil, err
	}
	return all[0], all[0].start()
}

// newMembers prepares a cluster.
func newMembers(dir string, n int, args ...string) (all []*member, err error) {
	if _, err := exec.LookPath("etcd"); err != nil {
		return nil, errors.New("no etcd server on this machine (Debian's package etcd-server)")
	}
	var peers []string
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		m := &member{name: fmt.Sprint("m", i), dir: filepath.Join(dir, fmt.Sprint("m", i)), client: ports[2*i], peer: ports[2*i+1]}
		peers = append(peers, fmt.Sprintf("%s=http://127.0.0.1:%d", m.name, m.peer))
		all = append(all, m)
	}
	for _, m := range all {
		scheme := "http"
		if strings.Contains(strings.Join(args, " "), "--cert-file") {
			scheme = "https"
		}
		client, peer := fmt.Sprintf("%s://127.0.0.1:%d", scheme, m.client), fmt.Sprintf("http://127.0.0.1:%d", m.peer)
		m.args = append([]string{
			"--name", m.name, "--data-dir", m.dir, "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", strings.Join(peers, ","),
			"--logger", "zap", "--log-outputs", m.dir + ".log", "--log-level", "error",
		}, args...)
	}
	return all, nil
}

// freePorts asks the kernel for ports; they are distinct.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (m *member) start() (err error) {
	m.cmd = exec.Command("etcd", m.args...)
	if err := m.cmd.Start(); err != nil {
		return err
	}
	m.keeper = exec.Command("/bin/sh", "-c", `cat >/dev/null; kill -9 "$1" 2>/dev/null`, "keeper", fmt.Sprint(m.cmd.Process.Pid))
	if m.hold, err = m.keeper.StdinPipe(); err != nil {
		return err
	}
	return m.keeper.Start()
}

// kill ends the server at once, as a power cut would.
func (m *member) kill() {
	if m == nil || m.cmd == nil {
		return
	}
	m.cmd.Process.Kill()
	m.cmd.Wait()
	m.cmd = nil
	m.hold.Close()
	m.keeper.Wait()
}

func (m *member) endpoint() string { return fmt.Sprintf("127.0.0.1:%d", m.client) }

// ready waits until the cluster answers.
func (m *member) ready() error {
	s, err := New(Config{Endpoints: []string{m.endpoint()}})
	if err != nil {
		return err
	}
	defer s.Close()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := s.read(ctx, "ready")
		cancel()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// newServer starts a server for one test.
func newServer(t testing.TB, args ...string) *member {
	t.Helper()
	need(t)
	m, err := startMember(t.TempDir(), args...)
	t.Cleanup(m.kill)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newCluster starts three members for one test.
func newCluster(t testing.TB) []*member {
	t.Helper()
	need(t)
	all, err := newMembers(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		t.Cleanup(m.kill)
		if err := m.start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all {
		if err := m.ready(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// admin asks a server for what the store never asks for.
func admin(t testing.TB, m *member, path, body string) {
	t.Helper()
	if err := newGateway(Config{Endpoints: []string{m.endpoint()}}).post(patient(t), 0, path, "", []byte(body), &struct{}{}); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// openPlace opens a place by its name: an address, with a lease of so many
// seconds before it.
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
