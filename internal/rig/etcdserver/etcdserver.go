// Package etcdserver runs private etcd servers for tests and rigs, on the loopback
// interface.
package etcdserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codexauth/internal/rig/freeport"
)

// ErrMissing: there is no etcd on this machine.
var ErrMissing = errors.New("no etcd server on this machine (Debian's package etcd-server)")

// Server is one member of a cluster. Not for concurrent use.
type Server struct {
	client, peer string // host:port
	data         string // directory
	args         []string
	cmd          *exec.Cmd
	keeper       *exec.Cmd // ends the server when this process ends, however it ends
	hold         io.Closer // the keeper's standard input
}

// New prepares a cluster of n members with their data below dir, started with
// more arguments if there are any.
func New(dir string, n int, args ...string) ([]*Server, error) {
	if _, err := exec.LookPath("etcd"); err != nil {
		return nil, ErrMissing
	}
	scheme := "http://"
	if slices.Contains(args, "--cert-file") {
		scheme = "https://"
	}
	var all []*Server
	var cluster []string
	for i := range n {
		client, err := freeport.Next()
		if err != nil {
			return nil, err
		}
		peer, err := freeport.Next()
		if err != nil {
			return nil, err
		}
		s := &Server{client: fmt.Sprint("127.0.0.1:", client), peer: fmt.Sprint("127.0.0.1:", peer)}
		cluster = append(cluster, fmt.Sprintf("m%d=http://%s", i, s.peer))
		all = append(all, s)
	}
	for i, s := range all {
		name := fmt.Sprint("m", i)
		s.data = filepath.Join(dir, name)
		s.args = append([]string{
			"--name", name, "--data-dir", s.data,
			"--listen-client-urls", scheme + s.client, "--advertise-client-urls", scheme + s.client,
			"--listen-peer-urls", "http://" + s.peer, "--initial-advertise-peer-urls", "http://" + s.peer,
			"--initial-cluster", strings.Join(cluster, ","),
			"--logger", "zap", "--log-outputs", s.data + ".log", "--log-level", "error",
		}, args...)
	}
	return all, nil
}

// Start starts the server, for the first time or again, and does not wait for it.
func (s *Server) Start() (err error) {
	s.cmd = exec.Command("etcd", s.args...)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.keeper = exec.Command("/bin/sh", "-c", `cat >/dev/null; kill -9 "$1" 2>/dev/null`, "keeper", fmt.Sprint(s.cmd.Process.Pid))
	if s.hold, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	return s.keeper.Start()
}

// Kill ends the server at once, as a power cut would. Its data stays.
func (s *Server) Kill() {
	if s == nil || s.cmd == nil {
		return
	}
	// Errors: it has ended already.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
	s.hold.Close()
	_ = s.keeper.Wait()
}

// Process is the server's, for signals.
func (s *Server) Process() *os.Process { return s.cmd.Process }

// Endpoint is where clients connect, as "host:port".
func (s *Server) Endpoint() string { return s.client }

// Data is the directory of the server's data.
func (s *Server) Data() string { return s.data }

// Ready waits until the cluster answers this member's clients; not for one that
// speaks TLS or authenticates.
func (s *Server) Ready() error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := s.ask()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (s *Server) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.client+"/v3/kv/range", strings.NewReader(`{"key":"AA=="}`))
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s", resp.Status)
	}
	return nil
}
