package broker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Each event reaches the client before the backend sends the next one, whether
// or not the backend says that it is a stream.
func TestStreamsEventByEvent(t *testing.T) {
	for _, contentType := range []string{"text/event-stream", "", "text/plain"} {
		next := make(chan struct{})
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			if contentType == "text/plain" {
				w.Header().Set("Content-Length", "45") // which looks least like a stream
			}
			for i := 0; ; i++ {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				if _, more := <-next; !more {
					return
				}
			}
		})
		resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
		if got := resp.Header.Get("Content-Type"); got != contentType {
			t.Errorf("Content-Type %q, want %q", got, contentType)
		}
		stream := bufio.NewReader(resp.Body)
		for i := range 5 {
			if got := event(t, stream); got != fmt.Sprintf("data: %d\n", i) {
				t.Errorf("event %d is %q", i, got)
			}
			if i < 4 {
				next <- struct{}{}
			}
		}
		close(next)
		if rest, err := io.ReadAll(stream); err != nil || len(rest) != 0 {
			t.Errorf("after the last event: %q, %v", rest, err)
		}
	}
}

// Whoever ends a stream on this side ends it on the other.
func TestEndOfAStreamIsPassedOn(t *testing.T) {
	tests := map[string]func(r *rig, cancel context.CancelFunc){
		"client gone": func(_ *rig, cancel context.CancelFunc) { cancel() },
		"key revoked": func(r *rig, _ context.CancelFunc) {
			if !r.keys.Revoke("plain") || r.keys.Revoke("plain") {
				r.Error("Revoke does not know what it does")
			}
		},
		"broker closed": func(r *rig, _ context.CancelFunc) { r.server.Close() },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			r, ended := endless(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt).WithContext(ctx))
			event(t, bufio.NewReader(resp.Body))
			end(r, cancel)
			wait(t, ended, "the end at the backend")
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the client takes what it has for the whole")
			}
		})
	}
}

func TestExpiryEndsAStream(t *testing.T) {
	r, ended := endless(t)
	text := r.addKey("brief", func(k *Key) { k.Expires = time.Now().Add(300 * time.Millisecond) })
	resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt, "Authorization", "Bearer "+text))
	event(t, bufio.NewReader(resp.Body))
	wait(t, ended, "the end at the backend")
	if status, _, _ := r.ask("GET", "/v1/models", "", "Authorization", "Bearer "+text); status != 401 {
		t.Errorf("afterwards: %d", status)
	}
}

// endless is a rig whose backend sends one event and then says nothing more.
func endless(t *testing.T, changes ...func(*Config)) (r *rig, ended chan struct{}) {
	ended = make(chan struct{}, 100)
	return newRig(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	}, changes...), ended
}
