package etcd

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// front stands before an etcd server and can cut it off.
type front struct {
	listener net.Listener
	behind   string
	down     atomic.Bool // connections are refused
	deaf     atomic.Bool // what the server answers is lost, and its connection with it
	lost     atomic.Int32

	mu    sync.Mutex
	conns []net.Conn
}

func newFront(t testing.TB, behind string) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, behind: behind}
	t.Cleanup(func() { listener.Close(); f.cut() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

func (f *front) address() string { return f.listener.Addr().String() }

func (f *front) serve(conn net.Conn) {
	defer conn.Close()
	if f.down.Load() {
		return
	}
	server, err := net.Dial("tcp", f.behind)
	if err != nil {
		return
	}
	defer server.Close()
	f.mu.Lock()
	f.conns = append(f.conns, conn, server)
	f.mu.Unlock()
	go func() {
		io.Copy(server, conn)
		server.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if err == nil && f.deaf.Load() {
			f.lost.Add(1)
			return
		}
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.conns = nil
}
