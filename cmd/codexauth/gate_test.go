package main

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A gate stands before the box's database, which can't be reached while it is shut.
type gate struct {
	mu    sync.Mutex
	to    string // "" is shut
	real  string
	conns []net.Conn
}

// newGate has the box's commands come by it from now on.
func newGate(t *testing.T, b *box) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	g := &gate{}
	for i, pair := range b.env {
		if at, ok := strings.CutPrefix(pair, "CODEXAUTH_STORE="); ok {
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			g.real, u.Host = u.Host, l.Addr().String()
			b.env[i] = "CODEXAUTH_STORE=" + u.String()
		}
	}
	g.open()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(conn)
		}
	}()
	return g
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = g.real
}

// shut cuts who is through already, too.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = ""
	for _, conn := range g.conns {
		conn.Close()
	}
	g.conns = nil
}

func (g *gate) pass(conn net.Conn) {
	defer conn.Close()
	g.mu.Lock()
	to := g.to
	g.mu.Unlock()
	if to == "" {
		return
	}
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	g.mu.Lock()
	g.conns = append(g.conns, conn, up)
	g.mu.Unlock()
	go func() { _, _ = io.Copy(up, conn); up.Close() }()
	_, _ = io.Copy(conn, up)
}
