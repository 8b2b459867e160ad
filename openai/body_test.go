package openai

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A comment stands between two frames, never within one, and only in silence.
func TestCopyKeepsAStreamAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := piped()
		tr, _ := transportTo(b)
		go func() {
			sse := stream(t, "092-plain")
			half := strings.Index(sse, `"delta":"one"`)
			io.WriteString(w, sse[:half])
			time.Sleep(40 * time.Second)
			io.WriteString(w, sse[half:])
			w.Close()
		}()
		resp, err := tr.RoundTrip(post(t.Context(), "/v1/responses", responsesAsk))
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		if err := Copy(rec, resp.Body, KeepAliveAfter); err != nil {
			t.Fatal(err)
		}
		out := rec.Body.String()
		want(t, "comments", strings.Count(out, keepAlive), 2)
		checkResponses(t, out, true)
	})
	tr, _ := transportTo(says(stream(t, "082-cut-clean-eof")))
	resp, err := tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAsk))
	if err != nil {
		t.Fatal(err)
	}
	if err := Copy(httptest.NewRecorder(), resp.Body, KeepAliveAfter); !isBroken(err) {
		t.Errorf("a broken answer copied: %v", err)
	}
}

// Who reads slowly holds up the backend's answer to it, and no buffer grows.
func TestSlowReaderBuffersNothing(t *testing.T) {
	for path, ask := range map[string]string{"/v1/chat/completions": chatAsk, "/v1/responses": responsesAsk} {
		synctest.Test(t, func(t *testing.T) {
			src := &endless{piece: `data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"x"}` + "\n\n"}
			tr, _ := transportTo(&fakeBackend{answer: func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(src)}, nil
			}})
			resp, err := tr.RoundTrip(post(t.Context(), path, ask))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			resp.Body.Read(make([]byte, 10))
			time.Sleep(time.Minute)
			if src.given > keptBuffer {
				t.Errorf("%s: %d bytes were read ahead", path, src.given)
			}
			resp.Body.Close()
		})
	}
}

// A connection to the backend serves one answer after the other.
func TestConnectionServesAgain(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, modelList)
			return
		}
		io.WriteString(w, stream(t, "092-plain"))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	tr := NewTransport(base, server.URL)
	for range 5 {
		for path, ask := range map[string]string{"/v1/chat/completions": chatAsk, "/v1/responses": responsesAsk, "/chat/completions": chatAskOnce} {
			resp, err := tr.RoundTrip(post(t.Context(), path, ask))
			read(t, resp, err)
		}
	}
	if n := conns.Load(); n > 2 { // one, and one more while the first list of models was asked for
		t.Errorf("%d connections", n)
	}
}
