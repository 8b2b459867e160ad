package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Server is a running sandbox. Its methods may be called by any number of
// goroutines at once.
type Server struct {
	cfg        Config
	issuer     string
	hosts      []string // values of Host that are answered
	controlKey string
	signer     *signer
	random     *source
	sealKey    []byte // of encrypted_content

	http     *http.Server
	ctx      context.Context // ends with Close; the parent of every request's context
	cancel   context.CancelFunc
	served   chan struct{} // closed when the accept loop has ended
	handlers sync.WaitGroup

	mu          sync.Mutex // guards everything below; never held over a wait
	closed      bool
	clockOffset time.Duration
	accessTTL   time.Duration
	inFlight    int
	counters    Counters
	faults      faultSet
	vault       vault
	models      []Model
	queue       []turn // the answers of the next requests to the backend
	otherwise   []turn // those of every other; nil is what a model would do
}

// Start starts a sandbox. The caller closes it. The error says what is wrong
// with cfg, or wraps the one of net.Listen.
func Start(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s, err := newServer(cfg, listener.Addr().(*net.TCPAddr))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("sandbox stopped", "err", err)
		}
	}()
	return s, nil
}

func newServer(cfg Config, addr *net.TCPAddr) (*Server, error) {
	random := newSource(cfg.Seed)
	signer, err := newSigner(random)
	if err != nil {
		return nil, fmt.Errorf("sandbox: signing key: %w", err)
	}
	s := &Server{
		cfg: cfg, issuer: "http://" + addr.String(), hosts: allowedHosts(addr.Port),
		controlKey: cfg.ControlKey, signer: signer, random: random,
		served: make(chan struct{}), clockOffset: cfg.ClockOffset, accessTTL: cfg.AccessTTL, vault: newVault(),
		sealKey: newSealKey(cfg.Seed), models: DefaultModels(),
	}
	if s.controlKey == "" {
		s.controlKey = newSource(0).token("") // never seeded: knowing the seed must not open the control endpoint
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	mux := s.routes()
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(mux, w, r) }),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

func allowedHosts(port int) []string {
	hosts := []string{"127.0.0.1", "localhost", "[::1]"}
	var allowed []string
	for _, h := range hosts {
		allowed = append(allowed, fmt.Sprintf("%s:%d", h, port))
		if port == 80 {
			allowed = append(allowed, h)
		}
	}
	return allowed
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.authorizeRoutes(mux)
	s.tokenRoutes(mux)
	s.deviceRoutes(mux)
	s.discoveryRoutes(mux)
	s.backendRoutes(mux)
	s.controlRoutes(mux)
	return mux
}

// Close ends every request in progress, the hanging ones too, and returns when
// no goroutine of the server is left. Closing again does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	<-s.served
	s.handlers.Wait()
	return err
}

// URL is the issuer, such as http://127.0.0.1:8455.
func (s *Server) URL() string { return s.issuer }

// BackendURL is the Codex backend's base, the parent of /responses and /models.
func (s *Server) BackendURL() string { return s.issuer + "/backend-api/codex" }

// ControlKey is what the control endpoint wants in the header X-Sandbox-Key.
func (s *Server) ControlKey() string { return s.controlKey }

// SetClockOffset moves the server's clock to d from the real one.
func (s *Server) SetClockOffset(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clockOffset = d
}

// SetAccessTTL changes how long the access tokens issued from now on live; see
// [Config]. 0 is one hour.
func (s *Server) SetAccessTTL(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accessTTL = d; d == 0 {
		s.accessTTL = time.Hour
	}
}

// now is the server's clock. The caller holds mu.
func (s *Server) now() time.Time { return s.cfg.Now().Add(s.clockOffset) }

// serve is what every request passes through, whatever its path.
func (s *Server) serve(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	if !s.enter(w) {
		drop(w)
		return
	}
	defer s.handlers.Done()
	begun := time.Now()
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set("X-Content-Type-Options", "nosniff")
	if s.hostAllowed(r.Host) {
		mux.ServeHTTP(rec, r)
	} else {
		// Against DNS rebinding: a page elsewhere must not reach us by a name of its own.
		http.Error(rec, "this sandbox answers to "+strings.Join(s.hosts, ", ")+" only", http.StatusMisdirectedRequest)
	}
	// The pattern and not the path: a path is the caller's text, which may hold anything.
	s.cfg.Log.Info("request", "route", r.Pattern, "status", rec.status, "took", time.Since(begun))
}

// enter registers a handler unless the server is closing, and dates its answer.
func (s *Server) enter(w http.ResponseWriter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.handlers.Add(1)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	return true
}

func (s *Server) hostAllowed(host string) bool {
	for _, h := range s.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// A recorder remembers the status for the log; 0 means that none was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush and hijack.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
