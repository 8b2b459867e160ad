package broker

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// spareConns are connections beyond the limit that are still read, so that whoever
// is too much gets an answer.
const spareConns = 64

// firstAskPatience is how long a Server that stops waits for the first request of a
// connection that it has accepted.
const firstAskPatience = 5 * time.Second

// conns are the connections that are open. When there are too many, the one that
// has been without an admitted request for the longest makes room: whoever holds
// thousands of them, silent or dribbling a head, shuts nobody else out.
type conns struct {
	mu      sync.Mutex
	max     int // in all
	perPeer int // of one address beyond this machine, or one other user of the socket
	open    map[net.Conn]*link
	resting link // a ring: next is the one that has rested longest
	atRest  int
	peers   map[string]int
	over    int

	opened, evicted, refused int64
}

// link is one connection.
type link struct {
	conn net.Conn
	peer *peer  // of a Unix socket, else nil
	from string // whom it counts for; "" is this machine
	over bool   // beyond the limit: it gets one answer
	gone bool

	since time.Time
	asked bool // a request of it has reached a handler

	before, next *link // in the ring; nil while it works
}

// enqueue and dequeue need mu.
func (cs *conns) enqueue(l *link) {
	end := &cs.resting
	l.before, l.next = end.before, end
	l.before.next, end.before = l, l
	cs.atRest++
}

func (cs *conns) dequeue(l *link) {
	if l.next != nil {
		l.before.next, l.next.before = l.next, l.before
		l.before, l.next = nil, nil
		cs.atRest--
	}
}

func newConns(max, perPeer int) *conns {
	cs := &conns{max: max, perPeer: perPeer, open: map[net.Conn]*link{}, peers: map[string]int{}}
	cs.resting.before, cs.resting.next = &cs.resting, &cs.resting
	return cs
}

// add takes a connection in. It returns false if the connection must be dropped unanswered.
func (cs *conns) add(conn net.Conn) bool {
	l := &link{conn: conn, since: time.Now()}
	l.peer, l.from = origin(conn)
	var evicted []net.Conn
	defer func() { closeConns(evicted) }()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if l.from != "" && cs.peers[l.from] >= cs.perPeer {
		evicted = append(evicted, cs.evict(l.from))
		l.over = evicted[0] == nil
	}
	if !l.over && len(cs.open)-cs.over >= cs.max {
		last := cs.evict("")
		evicted = append(evicted, last)
		l.over = last == nil
	}
	if l.over {
		cs.refused++
		if cs.over >= spareConns {
			return false
		}
		cs.over++
	}
	cs.opened++
	cs.open[conn] = l
	if l.from != "" && !l.over {
		cs.peers[l.from]++
	}
	cs.enqueue(l)
	return true
}

// evict makes room by the connection that has rested longest, of a peer or of
// all, and returns it to be closed; nil if none rests. The caller holds mu.
func (cs *conns) evict(from string) net.Conn {
	for l := cs.resting.next; l != &cs.resting; l = l.next {
		if !l.over && (from == "" || l.from == from) {
			cs.evicted++
			cs.removeLocked(l)
			return l.conn
		}
	}
	return nil
}

func closeConns(list []net.Conn) {
	for _, conn := range list {
		if conn != nil {
			_ = conn.Close() // what it had to say was said
		}
	}
}

// remove is for when a connection has ended.
func (cs *conns) remove(conn net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if l := cs.open[conn]; l != nil {
		cs.removeLocked(l)
	}
}

func (cs *conns) removeLocked(l *link) {
	l.gone = true
	delete(cs.open, l.conn)
	switch {
	case l.over:
		cs.over--
	case l.from != "":
		if cs.peers[l.from]--; cs.peers[l.from] == 0 {
			delete(cs.peers, l.from)
		}
	}
	cs.dequeue(l)
}

// work keeps a connection from making room while a request of it is under way.
func (cs *conns) work(l *link) {
	if l == nil {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	l.asked = true
	cs.dequeue(l)
}

// unasked says whether a connection was accepted of late whose request no handler
// has seen yet.
func (cs *conns) unasked() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, l := range cs.open {
		if !l.asked && time.Since(l.since) < firstAskPatience {
			return true
		}
	}
	return false
}

// rest is the end of that.
func (cs *conns) rest(l *link) {
	if l == nil {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !l.gone && l.next == nil {
		cs.enqueue(l)
	}
}

func (cs *conns) counts() (open, resting int, opened, evicted, refused int64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open), cs.atRest, cs.opened, cs.evicted, cs.refused
}

// origin says whose connection it is. Those from this machine count for nobody:
// they may be a forwarder's, for many.
func origin(conn net.Conn) (p *peer, from string) {
	if pc, ok := conn.(*peerConn); ok {
		if !pc.peer.own {
			from = "uid " + strconv.Itoa(pc.peer.uid)
		}
		return &pc.peer, from
	}
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || addr.Addr().Unmap().IsLoopback() {
		return nil, ""
	}
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if prefix, err := ip.Prefix(64); err == nil { // what one customer is given
			return nil, prefix.String()
		}
	}
	return nil, ip.String()
}

// counted hands connections to a Server that it has taken in.
type counted struct {
	net.Listener
	conns *conns
}

// Accept is for net.Listener.
func (l counted) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.conns.add(conn) {
			return conn, nil
		}
		_ = conn.SetDeadline(time.Now()) // a TLS connection says goodbye when it is closed
		_ = conn.Close()
	}
}

type linkKey struct{}

// withLink is for http.Server.ConnContext.
func (cs *conns) withLink(ctx context.Context, conn net.Conn) context.Context {
	cs.mu.Lock()
	l := cs.open[conn]
	cs.mu.Unlock()
	if l == nil { // made room already
		l = &link{conn: conn, over: true, gone: true}
		l.peer, _ = origin(conn)
	}
	return context.WithValue(ctx, linkKey{}, l)
}

func linkOf(ctx context.Context) *link {
	l, _ := ctx.Value(linkKey{}).(*link)
	return l
}
