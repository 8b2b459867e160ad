package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"codexauth"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/scratch"
	"codexauth/store/etcd"
)

// etcdEngine is an etcd of one member. Its clients come by way of this process,
// which can cut their connections.
type etcdEngine struct {
	*etcdserver.Server
	dir      *scratch.Dir
	listener net.Listener
	rooms    atomic.Int32

	mu    sync.Mutex
	conns map[net.Conn]bool // of clients
	// How many watches there were, and since when.
	watched int
	since   time.Time
}

// newEtcd starts an etcd whose clients find it at an address of the given host.
func newEtcd(host string) (_ *etcdEngine, err error) {
	e := &etcdEngine{conns: map[net.Conn]bool{}}
	if e.dir, err = scratch.New("etcd-"); err != nil {
		return nil, err
	}
	all, err := etcdserver.New(e.dir.Path, 1)
	if err != nil {
		return nil, errors.Join(err, e.dir.Remove())
	}
	e.Server = all[0]
	if e.listener, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, errors.Join(err, e.dir.Remove())
	}
	go e.passOn()
	if err := e.start(); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// passOn serves clients until the listener is closed.
func (e *etcdEngine) passOn() {
	for {
		client, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.conns[client] = true
		e.mu.Unlock()
		go func() {
			join(client, e.Endpoint())
			e.mu.Lock()
			delete(e.conns, client)
			e.mu.Unlock()
		}()
	}
}

func (e *etcdEngine) room() (address string, env []string, err error) {
	return fmt.Sprintf("etcd://%s/place-%d", e.listener.Addr(), e.rooms.Add(1)), nil, nil
}

func (e *etcdEngine) open(address string) (codexauth.Store, error) { return etcd.Open(address) }

// waiting counts watches, of which each who waits has one or two: they count once
// there have been no more for a while.
func (e *etcdEngine) waiting() (int, error) {
	n, err := e.watches()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || n != e.watched {
		e.watched, e.since = n, time.Now()
	}
	if time.Since(e.since) < time.Second {
		return 0, err
	}
	return n, err
}

func (e *etcdEngine) watches() (int, error) {
	resp, err := http.Get("http://" + e.Endpoint() + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "etcd_debugging_mvcc_watcher_total "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("etcd does not count its watches"))
}

func (e *etcdEngine) cut() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for client := range e.conns {
		client.Close()
	}
	return nil
}

// loseClaims ends all leases.
func (e *etcdEngine) loseClaims() error {
	var all struct {
		Leases []struct {
			ID string `json:"ID"`
		} `json:"leases"`
	}
	if err := e.ask("lease/leases", struct{}{}, &all); err != nil {
		return err
	}
	var errs []error
	for _, lease := range all.Leases {
		errs = append(errs, e.ask("lease/revoke", lease, nil))
	}
	return errors.Join(errs...)
}

// ask calls the server's gateway; what it answers may be nil.
func (e *etcdEngine) ask(what string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	resp, err := http.Post("http://"+e.Endpoint()+"/v3/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s with %s", what, resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// stop ends it at once: an etcd has no other end that a client could tell.
func (e *etcdEngine) stop(bool) error {
	e.Kill()
	return nil
}

func (e *etcdEngine) start() error { return errors.Join(e.Start(), e.Ready()) }

func (e *etcdEngine) pause() error  { return e.Process().Signal(syscall.SIGSTOP) }
func (e *etcdEngine) resume() error { return e.Process().Signal(syscall.SIGCONT) }

func (e *etcdEngine) close() {
	e.listener.Close()
	e.Kill()
	_ = e.dir.Remove()
}
