package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

func TestShutdownLetsStreamsFinish(t *testing.T) {
	finish := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-finish
		fmt.Fprint(w, "data: 1\n\n")
	})
	resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
	stream := bufio.NewReader(resp.Body)
	event(t, stream)
	down := make(chan error)
	go func() { down <- r.server.Shutdown(t.Context()) }()
	close(finish)
	if got := event(t, stream); got != "data: 1\n" {
		t.Errorf("event %q", got)
	}
	if err := wait(t, down, "Shutdown"); err != nil {
		t.Error(err)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	r, ended := endless(t)
	resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
	event(t, bufio.NewReader(resp.Body))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	wait(t, ended, "the end at the backend")
}

// A connection may have been accepted when the server is told to stop, and its request
// be still on its way: whoever opened it is answered all the same.
func TestShutdownAnswersWhomItHasAccepted(t *testing.T) {
	r := newRig(t, nil)
	conn, err := net.Dial("tcp", r.addr)
	r.must(err)
	defer conn.Close()
	accepted := func() bool { _, _, opened, _, _ := r.server.conns.counts(); return opened == 1 }
	for !accepted() {
		runtime.Gosched()
	}
	down := make(chan error)
	go func() { down <- r.server.Shutdown(t.Context()) }()
	for {
		other, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		other.Close()
	}
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: "+r.addr+"\r\n\r\n")
	r.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	r.must(err)
	if resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("status %d, closes %v", resp.StatusCode, resp.Close)
	}
	if err := wait(t, down, "Shutdown"); err != nil {
		t.Error(err)
	}
}
