package broker

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
)

var benchAnswer = []byte(`{"answer":"` + strings.Repeat("x", 500) + `"}`)

func benchBackend(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(benchAnswer)
}

// What a request costs in all, client and backend included: compare the two.
func BenchmarkProxy(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		upstream := httptest.NewServer(http.HandlerFunc(benchBackend))
		defer upstream.Close()
		target, _ := url.Parse(upstream.URL)
		bare := httptest.NewServer(&httputil.ReverseProxy{Transport: defaultTransport(), ErrorLog: log.New(io.Discard, "", 0),
			Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.Out.Header.Set("Authorization", "Bearer x") }})
		defer bare.Close()
		benchAsk(b, bare.Listener.Addr().String(), "POST /backend-api/codex/short", "none", `{"input":"0123456789"}`)
	})
	b.Run("broker", func(b *testing.B) {
		r := newRig(b, benchBackend, benchLog(b))
		benchAsk(b, r.addr, "POST /backend-api/codex/short", r.key, `{"input":"0123456789"}`)
	})
}

func BenchmarkLease(b *testing.B) {
	b.Run("constant", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(benchBackend))
		defer server.Close()
		benchAsk(b, server.Listener.Addr().String(), "POST /token", "none", "")
	})
	b.Run("broker", func(b *testing.B) {
		r := newRig(b, nil, benchLog(b))
		benchAsk(b, r.addr, "POST /token", r.lease, "")
	})
	b.Run("silent", func(b *testing.B) { // what the audit log costs
		r := newRig(b, nil, func(c *Config) { c.Log = nil })
		benchAsk(b, r.addr, "POST /token", r.lease, "")
	})
}

// benchLog logs as `codexauth serve` does.
func benchLog(b *testing.B) func(*Config) {
	f, err := os.CreateTemp(b.TempDir(), "log")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return func(c *Config) { c.Log = slog.New(slog.NewTextHandler(f, nil)) }
}

func benchAsk(b *testing.B, addr, what, key, body string) {
	request := fmt.Appendf(nil, "%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nUser-Agent: load\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		what, addr, key, len(body), body)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	rd := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(rd, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.Status, err)
		}
	}
}

// What a stream costs that is translated, and one that is passed through.
func BenchmarkStream(b *testing.B) {
	events := strings.SplitAfter(textEvents, "\n\n")
	backend := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "/models") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, events[0])
		for range 24 {
			_, _ = io.WriteString(w, events[1])
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, endEvent)
	}
	for name, path := range map[string]string{"passed": "/backend-api/codex/responses", "responses": responsesPath, "chat": chatPath} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, backend, benchLog(b))
			body := responsesAsk("x", streamed)
			if path == chatPath {
				body = chatAsk("x", streamed)
			}
			benchAsk(b, r.addr, "POST "+path, r.key, body)
		})
	}
}
