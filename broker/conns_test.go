package broker

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A connection that rests makes room for a new one; one that works does not.
func TestRestingConnectionsMakeRoom(t *testing.T) {
	r, _ := endless(t, func(c *Config) { c.MaxConns = 3 })
	working := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
	event(t, bufio.NewReader(working.Body))
	silent, dribbling := r.dial(), r.dial()
	fmt.Fprint(dribbling, "GET /v1/models HTTP/1.1\r\nHost: ")
	r.dial()
	r.dial()
	for range 10 {
		if status, _, _ := r.ask("GET", "/healthz", ""); status != 200 {
			t.Fatalf("somebody else: %d", status)
		}
	}
	for _, conn := range []net.Conn{silent, dribbling} {
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("a resting connection got %d bytes, and not its end", n)
		}
	}
	if _, _, _, evicted, refused := r.server.conns.counts(); evicted < 2 || refused != 0 {
		t.Errorf("%d made room, %d were refused", evicted, refused)
	}
	done := make(chan error, 1)
	go func() { _, err := working.Body.Read(make([]byte, 1)); done <- err }()
	select {
	case err := <-done:
		t.Errorf("the stream ended: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

// Where all connections work, whoever comes gets an answer, and is counted out.
func TestConnectionsBeyondTheLimit(t *testing.T) {
	r, ended := endless(t, func(c *Config) { c.MaxConns = 2 })
	var open []*http.Response
	for range 2 {
		resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
		event(t, bufio.NewReader(resp.Body))
		open = append(open, resp)
	}
	for range 3 * spareConns {
		resp := r.send(r.request("GET", "/v1/models", ""))
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(text), "too_many_connections") || !resp.Close {
			t.Fatalf("%s %v %s", resp.Status, resp.Header, text)
		}
	}
	open[0].Body.Close()
	wait(t, ended, "the end of a stream")
	for {
		if status, _, _ := r.ask("GET", "/healthz", ""); status == 200 {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

// fakeConn is a connection from somewhere.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", c.from)
	if err != nil {
		panic(err)
	}
	return addr
}

func (c *fakeConn) Close() error { c.closed = true; return nil }

func TestConnectionsOfOnePeer(t *testing.T) {
	cs := newConns(100, 2)
	dial := func(from string) (*fakeConn, *link) {
		c := &fakeConn{from: from}
		if !cs.add(c) {
			t.Fatalf("%s is turned away", from)
		}
		return c, cs.open[c]
	}
	first, _ := dial("192.0.2.1:1")
	second, _ := dial("192.0.2.1:2")
	other, _ := dial("192.0.2.2:1")
	dial("192.0.2.1:3")
	if !first.closed || second.closed || other.closed {
		t.Error("not the peer's own oldest connection makes room")
	}
	busy1, l1 := dial("[2001:db8::1]:1")
	_, l2 := dial("[2001:db8::ffff]:1") // the same /64
	cs.work(l1)
	cs.work(l2)
	if _, l := dial("[2001:db8::2]:1"); !l.over || busy1.closed {
		t.Error("a peer whose connections all work gets another one")
	}
	if _, l := dial("[2001:db8:0:1::1]:1"); l.over {
		t.Error("another network counts as the same")
	}
	for range 10 { // a forwarder on this machine
		if _, l := dial("127.0.0.1:1"); l.over {
			t.Error("this machine is counted as one peer")
		}
	}
	cs.rest(l1)
	cs.remove(busy1)
	if _, l := dial("[2001:db8::3]:1"); l.over {
		t.Error("a connection that ended still counts")
	}
	for conn := range cs.open {
		cs.remove(conn)
	}
	if len(cs.peers) != 0 || cs.over != 0 || cs.atRest != 0 {
		t.Errorf("left: %v, %d, %d", cs.peers, cs.over, cs.atRest)
	}
	a, b := &peerConn{peer: peer{own: true, uid: 1}}, &peerConn{peer: peer{uid: 2}}
	if _, from := origin(a); from != "" {
		t.Errorf("this user counts as %q", from)
	}
	if _, from := origin(b); from != "uid 2" {
		t.Errorf("another user counts as %q", from)
	}
}

// Thousands who hold connections and say nothing keep nobody from being served,
// and the broker's memory stays small.
func TestTenThousandIdleConnections(t *testing.T) {
	count := 10_000
	if files := maxFiles(); files < 2*uint64(count)+500 { // both ends are in this process
		count = int(files-500) / 2
		t.Logf("this process may have %d files open: %d connections instead of 10,000", files, count)
	}
	if testing.Short() {
		count = min(count, 1000)
	}
	r := newRig(t, nil, func(c *Config) { c.MaxConns = count / 10 })
	for i := range count {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
		switch i % 3 {
		case 1:
			fmt.Fprint(conn, "GET /v1/models HTTP/1.1\r\nX: ")
		case 2:
			fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", r.addr)
		}
		if i%(count/20) == 0 {
			if status, _, _ := r.ask("POST", "/backend-api/codex/responses", prompt); status != 200 {
				t.Fatalf("after %d connections somebody else gets %d", i, status)
			}
		}
	}
	if status, _, _ := r.ask("POST", "/backend-api/codex/responses", prompt); status != 200 {
		t.Errorf("status %d", status)
	}
	open, _, _, evicted, _ := r.server.conns.counts()
	if open > count/10+spareConns || evicted < int64(count/2) {
		t.Errorf("%d are open, %d made room", open, evicted)
	}
}
