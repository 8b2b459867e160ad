//go:build !race

// The race detector's own memory would be measured, too.

package broker

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An idle stream costs no more memory here than in a bare ReverseProxy. Both
// figures hold the cost of client and backend, which are in this process too.
func TestIdleStreamsCostNoMoreThanABareProxy(t *testing.T) {
	const streams = 300
	idle := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	r := newRig(t, idle)
	upstream := httptest.NewServer(http.HandlerFunc(idle))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	r.must(err)
	bareTransport := defaultTransport()
	bare := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, Transport: bareTransport, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }})
	defer bare.Close()

	body := `{"input":"` + strings.Repeat("x", 100_000) + `"}` // must not be held for the stream's life
	cost := func(base string) float64 {
		goroutines := runtime.NumGoroutine()
		before := memoryInUse()
		hc := &http.Transport{}
		defer hc.CloseIdleConnections()
		var open []*http.Response
		for range streams {
			req := r.request("POST", "/backend-api/codex/responses", body)
			req.URL, err = url.Parse(base + "/backend-api/codex/responses")
			r.must(err)
			resp, err := hc.RoundTrip(req)
			r.must(err)
			_, err = io.ReadFull(resp.Body, make([]byte, 9))
			r.must(err)
			open = append(open, resp)
		}
		used := memoryInUse() - before
		for _, resp := range open {
			resp.Body.Close()
		}
		// What is still ending would count as the next one's.
		for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines+streams/20; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines of closed streams are left", runtime.NumGoroutine()-goroutines)
			}
		}
		return float64(used) / streams / 1024
	}
	cost(bare.URL) // warms up
	plain, ours := cost(bare.URL), cost("http://"+r.addr)
	t.Logf("one idle stream: %.1f KiB through a bare proxy, %.1f KiB through the broker", plain, ours)
	if ours > plain {
		t.Errorf("a stream costs %.1f KiB, and %.1f KiB through a bare proxy", ours, plain)
	}
}

// memoryInUse is what heap and stacks use once the garbage is gone.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
