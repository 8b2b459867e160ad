// Command load is the other side of the measurement "broker": what a broker is compared
// with, and who asks.
//
//	load bare UPSTREAM          a bare httputil.ReverseProxy; prints {"url": …}
//	load constant BYTES         a handler that returns a constant; prints {"url": …}
//	load ask [-conns N] [-n REQUESTS] [-body BYTES] [-send BODY] [-key KEY] METHOD URL
//	load streams [-n STREAMS] [-body BYTES] [-send BODY] [-key KEY] URL
//
// ask prints answers per second, the median time to their first byte in
// milliseconds, and how many broke off: a bare ReverseProxy cuts an answer now
// and then whose backend began it before net/http had looked whether the request
// goes on. streams opens event streams, prints "open" once each has brought
// its first event, and after a line on standard input waits for one event more
// on each; then it prints how many brought it.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: load bare|constant|ask|streams …")
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.IntVar(&o.conns, "conns", 1, "connections at once")
	f.IntVar(&o.n, "n", 1000, "requests, or streams")
	f.IntVar(&o.body, "body", 0, "bytes of the body")
	f.StringVar(&o.send, "send", "", "the body, in place of one of so many bytes")
	f.StringVar(&o.key, "key", "none", "the bearer")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch rest := f.Args(); {
	case args[0] == "bare" && len(rest) == 1:
		return bare(rest[0])
	case args[0] == "constant" && len(rest) == 1:
		return constant(rest[0])
	case args[0] == "ask" && len(rest) == 2:
		o.method, o.url = rest[0], rest[1]
		return o.ask()
	case args[0] == "streams" && len(rest) == 1:
		o.method, o.url = http.MethodPost, rest[0]
		return o.streams()
	}
	return fmt.Errorf("load %s: wrong arguments", args[0])
}

// bare is what people write who put credentials into requests by hand.
func bare(upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64 // the two of net/http would be no fair match
	return serve(&httputil.ReverseProxy{
		Transport: t,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer constant")
		},
		ErrorLog: log.New(io.Discard, "", 0),
	})
}

func constant(size string) error {
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	answer := []byte(strings.Repeat("x", n))
	return serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	}))
}

func serve(h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"url\":\"http://%s\"}\n", l.Addr())
	return http.Serve(l, h)
}
