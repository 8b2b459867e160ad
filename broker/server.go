package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"codexauth"
	"codexauth/openai"
)

const (
	maxHeader    = 32 << 10 // bytes; net/http adds some slack
	headPatience = 10 * time.Second
	idlePatience = 2 * time.Minute
)

// Config says what a Server serves, and to whom.
type Config struct {
	// Manager has the login. Required, unless there are Logins. The caller closes it
	// after the Server.
	Manager *codexauth.Manager
	// Backend is the BackendURL of the Manager's provider. Empty means OpenAI's.
	Backend string
	// Logins are several, in place of Manager and Backend. The first is for clients
	// whose key names none, and for those of a Unix socket.
	Logins []Login
	// Keys are those that clients on TCP show. Nil means that there are none.
	Keys *Keys
	// Hosts are the names, without ports, by which clients reach the broker, in
	// addition to the loopback ones.
	Hosts []string
	// Transport goes to the backend. Nil means one of the Server's own, which
	// takes proxies from the environment. It must not decompress answers by
	// itself, which would hold streams up.
	Transport http.RoundTripper
	// Log receives one line a request at info level: who, from where, method, path,
	// status, how long, how much, and the id that the answer bears in the header
	// X-Codexauth-Request-Id. Never a query, another header or a body. The line is
	// written before the client has the end of the answer. Nil is silent.
	Log *slog.Logger
	// Journal, if not nil, has what happened to the logins.
	Journal *Journal
	// Memory remembers answers of OpenAI's API for clients that refer to them, apart
	// for each key. Nil remembers nothing.
	Memory *openai.Memory
	// MaxBody is how many bytes a request may have. 0 means 64 MiB. Four times as
	// many are read at once on paths whose requests are read whole.
	MaxBody int64
	// ReplayBody is how many bytes of a request are kept until it is answered, so
	// that it can be sent again with another token. 0 means 4 MiB.
	ReplayBody int
	// MaxRequests is how many requests and streams may be under way at once, and
	// MaxConns how many connections may be open. When there are more, the one
	// that has been idle longest is closed; if all are busy, whoever comes
	// is answered 503. 0 means [DefaultLimits].
	MaxRequests, MaxConns int
	// MaxConnsPerPeer is that for one address beyond this machine (one /64 of
	// IPv6), or one other user of a Unix socket. 0 means a quarter of MaxConns.
	MaxConnsPerPeer int
	// Patience is how long a client may stall in the middle of sending a body or
	// of reading what is there for it. 0 means 30 s.
	Patience time.Duration
}

// Server is a broker. Its methods may be called by any number of goroutines.
type Server struct {
	cfg    Config
	log    *slog.Logger
	proxy  *proxy
	routes map[string]route
	pass   func(*call, *http.Request) // the proxy's, made once

	logins []*login
	named  map[string]*login
	ready  readiness

	bodies  budget // of requests that are read whole
	answers tally[answerClass]

	http    *http.Server
	own     *http.Transport // to close, if the transport is ours
	ctx     context.Context // the parent of every request's
	cancel  context.CancelFunc
	started time.Time

	conns     *conns
	slots     atomic.Int64 // requests under way
	met       metrics
	strangers stats // whoever was not let in
	peers     peerStats
	refused   tally[string] // by code
	asking    atomic.Int64  // questions for a login's usage under way
	times     [pathClasses]times
	ids       callIDs
	denials   denials

	mu        sync.Mutex
	listeners []net.Listener
	serving   sync.WaitGroup // of calls of Serve
	leaving   bool           // nobody is accepted any more
	closed    bool           // and no request is taken
	handlers  sync.WaitGroup
}

// New checks cfg and returns a Server, which does not listen yet.
func New(cfg Config) (*Server, error) {
	if len(cfg.Logins) > 0 {
		cfg.Manager, cfg.Backend = cfg.Logins[0].Manager, cfg.Logins[0].Backend
	}
	if cfg.Keys == nil {
		cfg.Keys = new(Keys)
	}
	cfg.MaxBody = orDefault(cfg.MaxBody, 64<<20)
	cfg.ReplayBody = orDefault(cfg.ReplayBody, 4<<20)
	cfg.Patience = orDefault(cfg.Patience, 30*time.Second)
	requests, conns := DefaultLimits()
	cfg.MaxRequests = orDefault(cfg.MaxRequests, requests)
	cfg.MaxConns = orDefault(cfg.MaxConns, conns)
	cfg.MaxConnsPerPeer = orDefault(cfg.MaxConnsPerPeer, max(cfg.MaxConns/4, 1))
	s := &Server{cfg: cfg, log: cfg.Log, started: time.Now(), conns: newConns(cfg.MaxConns, cfg.MaxConnsPerPeer)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		s.own = defaultTransport()
		cfg.Transport = s.own
	}
	s.cfg = cfg
	if err := s.loginsOf(cfg); err != nil {
		return nil, err
	}
	s.proxy = newProxy(byLogin{}, cfg.ReplayBody, s.log)
	s.pass = s.proxy.pass
	s.bodies.limit = 4 * cfg.MaxBody
	s.routes = s.table()
	s.watchRoutes(s.routes)
	s.ids.begin()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = s.httpServer()
	return s, nil
}

func orDefault[T int | int64 | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// defaultTransport keeps more idle connections to its one host than the two of
// net/http, and leaves answers compressed: a decompressor holds events back.
func defaultTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 32
	t.ReadBufferSize = copyBuffer
	return t
}

func (s *Server) httpServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      s,
		BaseContext:                  func(net.Listener) context.Context { return s.ctx },
		ConnContext:                  s.conns.withLink,
		ConnState:                    s.connState,
		Protocols:                    protocols,
		ReadHeaderTimeout:            headPatience,
		IdleTimeout:                  idlePatience, // no ReadTimeout and WriteTimeout: they cut streams
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Serve answers clients on l, which it closes, until Shutdown or Close; then it
// returns nil. It may be called for several listeners, best those of [ListenTCP]
// and [ListenUnix]: whoever comes by another one needs a key.
func (s *Server) Serve(l net.Listener) error {
	if !s.accepts(l) {
		return l.Close()
	}
	defer s.serving.Done()
	err := s.http.Serve(counted{l, s.conns})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("broker: %w", err)
}

// accepts registers a listener unless the Server accepts nobody any more.
func (s *Server) accepts(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leaving {
		s.listeners = append(s.listeners, l)
		s.serving.Add(1)
	}
	return !s.leaving
}

// connState counts connections out; one that was upgraded ends later.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		s.conns.remove(conn)
	}
}

// Shutdown accepts nobody, answers those whom it has accepted, lets what is under
// way finish until ctx ends, WebSockets too, and cuts what is left then. It returns
// when no goroutine of the Server is left; its error is that of ctx if something was
// cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.StopAccepting()
	s.awaitFirstRequests(ctx)   // net/http's own drops a request that no handler has seen yet
	err := s.http.Shutdown(ctx) // does not wait for WebSockets
	s.stopEntering()
	idle := make(chan struct{})
	go func() { s.handlers.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	<-idle
	return err
}

// StopAccepting leaves whoever comes to others that listen on the same socket.
// Whoever was accepted is answered, and the connection closed then. Shutdown begins
// with it.
func (s *Server) StopAccepting() {
	s.http.SetKeepAlivesEnabled(false)
	s.mu.Lock()
	s.leaving = true
	listeners := s.listeners
	s.listeners = nil
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // which ends Serve, if it has not ended already
	}
	s.serving.Wait() // so that every connection that was accepted is known
}

// awaitFirstRequests waits until every connection that was accepted has asked for
// something, ended, or been silent for too long.
func (s *Server) awaitFirstRequests(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.conns.unasked() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) stopEntering() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// Close is Shutdown without patience.
func (s *Server) Close() error {
	s.stopEntering()
	s.cancel()
	err := s.http.Close()
	s.handlers.Wait()
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
	return err
}

// enter registers a handler unless the Server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.handlers.Add(1)
	}
	return !s.closed
}
