package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A tunnel is an HTTP proxy that knows CONNECT and leads everywhere to one address.
type tunnel struct {
	to     func() string
	count  atomic.Int32
	server *http.Server
	url    string
}

func openTunnel(to func() string) (*tunnel, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &tunnel{to: to, url: "http://" + listener.Addr().String()}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go p.server.Serve(listener)
	return p, nil
}

func (p *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	p.count.Add(1)
	there, err := net.Dial("tcp", p.to())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	fmt.Fprint(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		io.Copy(there, here)
		there.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(here, there)
}

// changeBody gives an answer another body.
func changeBody(resp *http.Response, change func(string) string) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	text := change(string(body))
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}
