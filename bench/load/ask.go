package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	conns, n, body   int
	key, method, url string
	send             string
}

// request is the request as bytes: the less this side costs, the more a
// difference shows.
func (o options) request() (host string, request []byte, err error) {
	u, err := url.Parse(o.url)
	if err != nil {
		return "", nil, err
	}
	body := o.send
	if o.body > 0 && body == "" {
		body = `{"input":"` + strings.Repeat("x", max(0, o.body-12)) + `"}`
	}
	return u.Host, fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nUser-Agent: load\r\nAccept: */*\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", o.method, u.Path, u.Host, o.key, len(body), body), nil
}

func (o options) ask() error {
	host, request, err := o.request()
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(int64(o.n))
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	broken := 0
	var wg sync.WaitGroup
	began := time.Now()
	for range o.conns {
		wg.Go(func() {
			for left.Load() > 0 {
				first, err := asker(host, request, &left)
				mu.Lock()
				all = append(all, first...)
				if errors.Is(err, io.ErrUnexpectedEOF) {
					broken++
					err = nil
				}
				failed = errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if failed != nil {
		return fmt.Errorf("%s: %w", o.url, failed)
	}
	slices.Sort(all)
	fmt.Printf("%.1f %.4f %d\n", float64(len(all))/took.Seconds(), all[len(all)/2].Seconds()*1e3, broken)
	return nil
}

// asker asks on one connection as long as requests are left, and returns the
// times to the first byte of the answers that came whole.
func asker(host string, request []byte, left *atomic.Int64) (first []time.Duration, err error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for left.Add(-1) >= 0 {
		began := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if _, err := r.Peek(1); err != nil {
			return nil, err
		}
		took := time.Since(began)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, err
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil {
			return first, fmt.Errorf("after %d bytes of the body: %w", n, err)
		}
		if resp.StatusCode != http.StatusOK {
			return nil, errors.New(resp.Status)
		}
		first = append(first, took)
	}
	return first, nil
}

// streams holds event streams open, sixteen in the making at a time.
func (o options) streams() error {
	host, request, err := o.request()
	if err != nil {
		return err
	}
	next := make(chan struct{})
	var failed, lived, opened atomic.Int64
	var wg sync.WaitGroup
	ready := make(chan struct{}, 16)
	for range o.n {
		ready <- struct{}{}
		wg.Go(func() {
			conn, r, err := open(host, request)
			opened.Add(1)
			<-ready
			if err != nil {
				failed.Add(1)
				fmt.Fprintln(os.Stderr, "load:", err)
				return
			}
			defer conn.Close()
			<-next
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if line, err := r.ReadString('\n'); err == nil && strings.HasPrefix(line, "event:") {
				lived.Add(1)
			}
		})
	}
	for opened.Load() < int64(o.n) {
		time.Sleep(time.Millisecond)
	}
	if failed.Load() > 0 {
		return fmt.Errorf("%d of %d streams did not open", failed.Load(), o.n)
	}
	fmt.Println("open")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	close(next)
	wg.Wait()
	fmt.Println(lived.Load())
	return nil
}

// open sends a request and reads to the end of the first event.
func open(host string, request []byte) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, errors.New(resp.Status)
	}
	events := bufio.NewReaderSize(resp.Body, 256)
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			return nil, nil, err
		}
		if line == "\n" {
			return conn, events, conn.SetReadDeadline(time.Time{})
		}
	}
}
