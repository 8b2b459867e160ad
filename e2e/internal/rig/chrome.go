package rig

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"codexauth/internal/rig/program"
)

// A Chrome is a headless Chromium with one tab and a fresh profile.
type Chrome struct {
	ctx    context.Context
	abort  context.CancelFunc
	netLog string

	mu       sync.Mutex
	requests []string
}

// StartChrome starts Chromium (from the environment variable CHROMIUM, or
// Debian's) and ends it with the test.
func StartChrome(t testing.TB) *Chrome {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		path = "/usr/bin/chromium"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		unavailable(t, "no browser: install Debian's chromium, or name one in CHROMIUM (%v)", err)
	}
	c := &Chrome{netLog: filepath.Join(t.TempDir(), "netlog.json")}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.Env("HOME="+t.TempDir(), "TMPDIR="+leavings(t)),
		chromedp.NoFirstRun,
		chromedp.NoSandbox, // it does not start as root with one
		chromedp.Headless,
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("log-net-log", c.netLog),
		chromedp.Flag("net-log-capture-mode", "IncludeSensitive"),
	)
	tab, closeTab := chromedp.NewContext(allocator)
	c.ctx, c.abort = tab, closeTab
	t.Cleanup(func() { closeTab(); stopAllocator() })
	if err := c.listen(); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return c
}

// leavings is a temporary directory for a browser, which is killed at the end and
// leaves things behind. Its path is short enough for a socket.
func leavings(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The last of its processes may still write.
		for range 100 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Error(err)
	})
	return dir
}

// listen starts the browser and notes what its tab requests.
func (c *Chrome) listen() error {
	timer := time.AfterFunc(program.Patience, c.abort)
	defer timer.Stop()
	err := chromedp.Listen(c.ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok {
			c.mu.Lock()
			c.requests = append(c.requests, sent.Request.URL)
			c.mu.Unlock()
		}
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(c.ctx, network.Enable, network.EnableParams{})
	return err
}

// Do runs steps in the tab, for at most program.Patience in all.
func (c *Chrome) Do(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, program.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
}

// Get runs an action in the tab and returns its value.
func Get[T any](t testing.TB, c *Chrome, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, program.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return value
}

// Requests returns the URLs that the tab has requested so far, redirects
// included.
func (c *Chrome) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.requests...)
}

// A Sent is a request as Chromium sent it over plain HTTP.
type Sent struct {
	Line    string // such as "GET /favicon.ico HTTP/1.1"
	Headers map[string]string
}

// Quit closes the browser and returns every request that it sent over plain
// HTTP. They come from Chromium's own network log, which has the headers of all
// of them, a request for an icon included.
func (c *Chrome) Quit(t testing.TB) []Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, program.Patience)
	defer cancel()
	if err := chromedp.Cancel(ctx); err != nil {
		t.Fatalf("Chromium does not quit: %v", err)
	}
	content, err := os.ReadFile(c.netLog)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := parseNetLog(content)
	if err != nil {
		t.Fatalf("Chromium's network log: %v", err)
	}
	return sent
}

func parseNetLog(content []byte) ([]Sent, error) {
	var log struct {
		Constants struct {
			LogEventTypes map[string]int `json:"logEventTypes"`
		} `json:"constants"`
		Events []struct {
			Type   int             `json:"type"`
			Params json.RawMessage `json:"params"`
		} `json:"events"`
	}
	if err := json.Unmarshal(content, &log); err != nil {
		return nil, err
	}
	wanted, known := log.Constants.LogEventTypes["HTTP_TRANSACTION_SEND_REQUEST_HEADERS"]
	if !known {
		return nil, errors.New("it has no event for the headers that are sent")
	}
	var all []Sent
	for _, event := range log.Events {
		if event.Type != wanted {
			continue
		}
		var params struct {
			Line    string   `json:"line"`
			Headers []string `json:"headers"`
		}
		if err := json.Unmarshal(event.Params, &params); err != nil {
			return nil, err
		}
		sent := Sent{Line: strings.TrimSpace(params.Line), Headers: map[string]string{}}
		for _, header := range params.Headers {
			name, value, _ := strings.Cut(header, ": ")
			sent.Headers[http.CanonicalHeaderKey(name)] = value
		}
		all = append(all, sent)
	}
	return all, nil
}
