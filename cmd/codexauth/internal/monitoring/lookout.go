package monitoring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"codexauth/internal/address"
	"codexauth/internal/hint"
)

// A Lookout answers those of this machine who watch over logins, without a key.
type Lookout struct {
	Metrics func(context.Context) string
	Ready   http.HandlerFunc
}

// ListenLoopback listens where no other machine comes.
func ListenLoopback(flag, at string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return nil, hint.Usagef("%s is a loopback address with a port, such as %s", flag, monitorListen)
	}
	if !address.Loopback(host) {
		return nil, hint.Usage("anyone who reaches the metrics can see whose login it is, so "+flag+" takes a loopback address only", "for other machines use `codexauth serve`, with a key that may read the metrics, or a proxy that authenticates its clients")
	}
	return net.Listen("tcp", at)
}

func (o Lookout) server() *http.Server {
	return &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}

// ServeBeside answers on l until ctx ends.
func (o Lookout) ServeBeside(ctx context.Context, l net.Listener) error {
	server := o.server()
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the metrics' listener: %w", err)
	}
	return nil
}

// ServeHTTP refuses web pages: one may reach a loopback address by a name of its own.
func (o Lookout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Header["Origin"] != nil || !address.Loopback(host):
		http.Error(w, "this server is not for web pages, and answers to loopback names only", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
	case r.URL.Path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, o.Metrics(r.Context()))
	case r.URL.Path == "/healthz":
		answerJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case r.URL.Path == "/readyz":
		o.Ready(w, r)
	default:
		http.Error(w, "there are /metrics, /healthz and /readyz", http.StatusNotFound)
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
