package broker

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// requestIDHeader tells the client which line of the log is about its request.
const requestIDHeader = "X-Codexauth-Request-Id"

// callIDs makes the ids of requests: no two alike, also of different brokers.
type callIDs struct {
	prefix string
	last   atomic.Uint64
}

func (i *callIDs) begin() { i.prefix = rand.Text()[:10] + "-" }

func (i *callIDs) next() string {
	var room [32]byte
	return string(strconv.AppendUint(append(room[:0], i.prefix...), i.last.Add(1), 36))
}

// declared is the length that an answer's headers promise, or 0.
func declared(h http.Header) int64 {
	if values := h["Content-Length"]; len(values) == 1 {
		if n, err := strconv.ParseInt(values[0], 10, 64); err == nil {
			return max(n, 0)
		}
	}
	return 0
}

func (c *call) received(n int) {
	c.in.Add(int64(n))
	c.stats.in.Add(int64(n))
}

func (c *call) sent(n int) {
	c.out.Add(int64(n))
	c.stats.out.Add(int64(n))
}

// account counts the call and writes its line of the audit log, once, before the client
// has the end of the answer, of which more bytes are about to be written.
func (c *call) account(more int) {
	if c.accounted {
		return
	}
	c.accounted = true
	c.stats.count(c)
	c.log(more)
}

// log writes a line that holds no path that was not checked, and none of somebody
// unknown: who knows what they put there.
func (c *call) log(more int) {
	log, level := c.server.log, slog.LevelInfo
	if c.watches() {
		level = slog.LevelDebug
	}
	if !log.Enabled(context.Background(), level) {
		return
	}
	method := c.method
	if !allows(proxyMethods+" OPTIONS CONNECT TRACE", method) {
		method = "other"
	}
	var room [20]slog.Attr
	attrs := append(room[:0], slog.String("who", c.client.name), slog.String("method", method), slog.String("path", c.path),
		slog.Int("status", c.status), slog.Duration("took", time.Since(c.begun)), slog.String("id", c.id[0]))
	if c.from != "" {
		attrs = append(attrs, slog.String("peer", c.from))
	}
	if !c.firstByte.IsZero() {
		attrs = append(attrs, slog.Duration("first", c.firstByte.Sub(c.begun)))
	}
	attrs = append(attrs, slog.Int64("in", c.in.Load()), slog.Int64("out", c.out.Load()+int64(more)))
	if c.denied != "" {
		attrs = append(attrs, slog.String("code", c.denied))
	}
	attrs = c.server.audit(attrs, c.result.Load())
	log.LogAttrs(context.Background(), level, "request", attrs...)
}

// watches reports whether this user's own status page asks, as it does every two
// seconds: between its lines nobody would find the others.
func (c *call) watches() bool {
	return c.client.own && c.path == overviewPath && c.status == http.StatusOK
}

const (
	// denialsTold within denialsWithin are worth a line of their own, and another one
	// no earlier than after denialsPause.
	denialsTold   = 20
	denialsWithin = 5 * time.Minute
	denialsPause  = time.Hour
)

// denials are those of clients, by name; all strangers count as one.
type denials struct {
	mu  sync.Mutex
	all map[string]*denial
}

type denial struct {
	times       int
	since, told time.Time
}

// note counts a request that the broker refused, and reports a client that is
// refused again and again: it may be a program whose key ended, or whose limit is too
// low, and nobody looks at what it prints.
func (d *denials) note(c *call, now time.Time) {
	switch c.denied {
	case "":
		return
	case "unauthorized", "lease_refused", "path_refused", "login_not_served", "too_many_streams", "rate_limit_exceeded":
	default:
		return // not about the client
	}
	if n := d.count(c.client.name, now); n > 0 {
		who, remedy := c.client.name, "codexauth serve key list shows its rights and limits; change them, or stop the program"
		if c.denied == "unauthorized" {
			who, remedy = "unknown", "a client sends a key that is unknown, expired or revoked: give it a new one (codexauth serve key add), or stop it"
		}
		c.server.log.Warn("a client is refused repeatedly", "who", who, "code", c.denied, "times", n, "peer", c.from, "remedy", remedy)
	}
}

// count returns how many there were, if that is to be told.
func (d *denials) count(who string, now time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[string]*denial{}
	}
	of := d.all[who]
	if of == nil {
		of = new(denial)
		d.all[who] = of
	}
	if now.Sub(of.since) > denialsWithin {
		of.times, of.since = 0, now
	}
	of.times++
	if of.times < denialsTold || !of.told.IsZero() && now.Sub(of.told) < denialsPause {
		return 0
	}
	of.told = now
	return of.times
}
