package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"codexauth/internal/rig"
)

// idleStreams compares what idle event streams cost each proxy. While they are
// open the login is refreshed, by another process and after a 401.
func (s *brokerScene) idleStreams() ([]verdict, error) {
	if runtime.GOOS != "linux" {
		fmt.Println("  skip idle streams: resident sizes are read from /proc")
		return nil, nil
	}
	n := rig.Pick(s.b, 500, 5000)
	// Each server is a new one: what earlier loads left behind would count too.
	bare, barePID, err := s.listen("load", "bare", s.Issuer)
	if err != nil {
		return nil, err
	}
	ours, pid, err := s.listen("codexauth", "--json", "serve", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	bareKiB, _, err := s.holdStreams(bare, barePID, n, nil)
	if err != nil {
		return nil, err
	}
	ourKiB, lived, err := s.holdStreams(ours, pid, n, s.refreshInMidStream)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d idle streams: bare %.1f MiB (%.1f KiB each), broker %.1f MiB (%.1f KiB each)\n",
		n, bareKiB/1024, bareKiB/float64(n), ourKiB/1024, ourKiB/float64(n))
	return []verdict{
		{What: fmt.Sprintf("resident size with %d idle streams, broker / bare proxy", n), Got: ourKiB / bareKiB, Bound: 1, Speed: s.b.Quick},
		{What: "streams dropped by refreshes in mid-stream", Got: float64(n - lived)},
	}, nil
}

func (s *brokerScene) holdStreams(base string, pid, n int, meanwhile func(base string) error) (kib float64, lived int, err error) {
	if meanwhile != nil {
		during := meanwhile
		return s.hold([]string{"-body", "2000"}, base+"/backend-api/codex/idle", pid, n, func() error { return during(base) })
	}
	return s.hold([]string{"-body", "2000"}, base+"/backend-api/codex/idle", pid, n, nil)
}

// hold opens streams, and tells what they cost the process pid and how many of them
// live after meanwhile.
func (s *brokerScene) hold(body []string, url string, pid, n int, meanwhile func() error) (kib float64, lived int, err error) {
	cmd := exec.Command(s.Program("load"), append(append([]string{"streams", "-n", strconv.Itoa(n), "-key", s.key}, body...), url)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	out := bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer cmd.Wait()
	defer in.Close()
	if line, err := out.ReadString('\n'); err != nil || line != "open\n" {
		return 0, 0, fmt.Errorf("the streams did not open: %q, %v", line, err)
	}
	time.Sleep(time.Second) // what the rush has left may be given back
	if kib, err = residentOf(pid); err != nil {
		return 0, 0, err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return 0, 0, err
		}
	}
	s.upstream.tick()
	fmt.Fprintln(in)
	line, err := out.ReadString('\n')
	if err != nil {
		return 0, 0, err
	}
	lived, err = strconv.Atoi(strings.TrimSpace(line))
	return kib, lived, err
}

// refreshInMidStream rotates the login from outside, and has the broker meet a
// 401 of its own.
func (s *brokerScene) refreshInMidStream(base string) error {
	refreshes := s.Server.Counters().Refreshes
	if err := s.Run("refresh").Want(0); err != nil {
		return err
	}
	s.upstream.refuse()
	_, _, err := s.ask(1, 1, 300, "POST", base+"/backend-api/codex/short")
	if n := s.Server.Counters().Refreshes - refreshes; n < 1 {
		err = errors.Join(err, fmt.Errorf("%d refreshes in mid-stream", n))
	}
	return err
}

// residentOf is VmRSS of a process, in KiB.
func residentOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	_, err = fmt.Sscan(rest, &kib)
	return kib, err
}

// upstreamBackend is the backend of this rig. It is quick, and checks no bearer
// but that of the first request after refuse.
type upstreamBackend struct {
	mu      sync.Mutex
	next    chan struct{} // closed by tick
	refused string        // the bearer that is no longer taken
	refuses bool
}

// tick sends one event on each idle stream.
func (u *upstreamBackend) tick() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.next)
	u.next = make(chan struct{})
}

// refuse answers 401 to the bearer that comes next.
func (u *upstreamBackend) refuse() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refuses, u.refused = true, ""
}

func (u *upstreamBackend) takes(bearer string) (ok bool, next chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refuses {
		u.refuses, u.refused = false, bearer
	}
	return bearer != u.refused || bearer == "", u.next
}

var (
	benchEvent = []byte("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"word\",\"output_index\":0}\n\n")
	benchShort = []byte(`{"answer":"` + strings.Repeat("x", 500) + `"}`)
)

func (u *upstreamBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	ok, next := u.takes(r.Header.Get("Authorization"))
	if !ok {
		http.Error(w, `{"error":{"code":"token_expired"}}`, http.StatusUnauthorized)
		return
	}
	flush := http.NewResponseController(w)
	switch filepath.Base(r.URL.Path) {
	case "short":
		w.Header().Set("Content-Type", "application/json")
		w.Write(benchShort)
	case "responses":
		w.Header().Set("Content-Type", "text/event-stream")
		for range 8 {
			w.Write(benchEvent)
			flush.Flush()
		}
	case "idle":
		w.Header().Set("Content-Type", "text/event-stream")
		w.Write(benchEvent)
		flush.Flush()
		select {
		case <-next:
			w.Write(benchEvent)
		case <-r.Context().Done():
		case <-time.After(rig.Longest):
		}
	default:
		http.NotFound(w, r)
	}
}
