package main

import (
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

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// broker measures `codexauth serve` against a bare httputil.ReverseProxy before
// the same upstream, and under the same load. Pairs alternate, and in each the
// bare proxy is measured twice: how far that is from one says what the rest is
// worth.
func broker(b *rig.Run) ([]verdict, error) {
	s, err := newBrokerScene(b)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var verdicts []verdict
	for _, m := range []struct {
		name string
		run  func() ([]verdict, error)
	}{{"throughput", s.throughput}, {"first byte", s.firstByte}, {"lease", s.leases}, {"idle streams", s.idleStreams}, {"exec", s.runs}} {
		if !strings.Contains(m.name, b.Only) {
			continue
		}
		more, err := m.run()
		if err != nil {
			return verdicts, err
		}
		verdicts = append(verdicts, more...)
	}
	fmt.Printf("answers that broke off: %d of the bare proxy's\n", s.brokenBare)
	return append(verdicts, verdict{What: "answers of the broker's that broke off", Got: float64(s.brokenOurs)}), nil
}

// A brokerScene is an upstream, a bare proxy and a broker before it.
type brokerScene struct {
	*rig.Trial
	b                      *rig.Run
	issuerProxy            *rig.IssuerProxy
	upstream               *upstreamBackend
	bare, broker           string // URLs
	barePID, pid           int
	key                    string
	brokenBare, brokenOurs int // answers
	stops                  []func()
}

func newBrokerScene(b *rig.Run) (s *brokerScene, err error) {
	s = &brokerScene{b: b, upstream: &upstreamBackend{next: make(chan struct{})}}
	if s.Trial, err = b.NewSignedOut(sandbox.Config{}); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.Trial.Close)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.issuerProxy, err = s.Behind(""); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.issuerProxy.Close)
	s.issuerProxy.Backend = s.upstream
	added := s.Run("serve", "key", "add", "bench", "--lease")
	s.key = strings.TrimSpace(added.Out)
	if err := added.Want(0); err != nil {
		return nil, err
	}
	if s.bare, s.barePID, err = s.listen("load", "bare", s.Issuer); err != nil {
		return nil, err
	}
	s.broker, s.pid, err = s.listen("codexauth", "--json", "serve", "--listen", "127.0.0.1:0")
	return s, err
}

func (s *brokerScene) close() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

// listen starts a server that prints where it is.
func (s *brokerScene) listen(name string, args ...string) (url string, pid int, err error) {
	var ready struct{ URL string }
	server, err := s.Serve(name, &ready, args...)
	if err != nil {
		return "", 0, err
	}
	s.stops = append(s.stops, func() { server.Process.Kill(); server.Wait() })
	return ready.URL, server.Process.Pid, nil
}

// ask is one run of the load: requests per second, and the median time to the
// first byte in milliseconds. It counts the answers that broke off.
func (s *brokerScene) ask(conns, n, body int, method, url string) (rate, first float64, err error) {
	return s.load(conns, n, []string{"-body", strconv.Itoa(body)}, method, url)
}

func (s *brokerScene) load(conns, n int, body []string, method, url string) (rate, first float64, err error) {
	args := append([]string{"ask", "-conns", strconv.Itoa(conns), "-n", strconv.Itoa(n), "-key", s.key}, body...)
	r := s.RunProgram("load", nil, append(args, method, url)...)
	if err := r.Want(0); err != nil {
		return 0, 0, err
	}
	var broken int
	_, err = fmt.Sscan(r.Out, &rate, &first, &broken)
	if strings.HasPrefix(url, s.broker) {
		s.brokenOurs += broken
	} else {
		s.brokenBare += broken
	}
	return rate, first, err
}

const brokerPairs = 9

// pairs measures the bare proxy, the broker and the bare proxy again, in an
// order that alternates. The first pair warms up.
func pairs(b *rig.Run, bare, ours func() (float64, error)) (plain, broker, control []float64, err error) {
	for i := range rig.Pick(b, 3, brokerPairs) + 1 {
		var p, o, c float64
		steps := []func() error{
			func() (err error) { p, err = bare(); return err },
			func() (err error) { o, err = ours(); return err },
			func() (err error) { c, err = bare(); return err },
		}
		if i%2 == 1 {
			steps[0], steps[1] = steps[1], steps[0]
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, nil, nil, err
			}
		}
		if i > 0 {
			plain, broker, control = append(plain, p), append(broker, o), append(control, c)
		}
	}
	return plain, broker, control, nil
}

func ratios(a, b []float64) (all []float64) {
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return all
}

func differences(a, b []float64) (all []float64) {
	for i := range a {
		all = append(all, a[i]-b[i])
	}
	return all
}

func (s *brokerScene) throughput() (verdicts []verdict, err error) {
	for _, load := range []struct {
		what, path string
		body       int
	}{
		{"a short answer", "/backend-api/codex/short", 300},
		{"an event stream", "/backend-api/codex/responses", 2000},
	} {
		run := func(base string) func() (float64, error) {
			return func() (float64, error) {
				rate, _, err := s.ask(16, rig.Pick(s.b, 2000, 8000), load.body, "POST", base+load.path)
				return rate, err
			}
		}
		bare, ours, control, err := pairs(s.b, run(s.bare), run(s.broker))
		if err != nil {
			return nil, err
		}
		s.printCPU(load.what, load.path, load.body)
		fmt.Printf("16 connections, %s: bare %.0f, broker %.0f, bare again %.0f requests/s; bare/bare %.3f\n",
			load.what, rig.Median(bare), rig.Median(ours), rig.Median(control), rig.Median(ratios(control, bare)))
		verdicts = append(verdicts, verdict{What: "requests/s, broker / bare proxy, 16 connections, " + load.what,
			Got: rig.Median(ratios(ours, bare)), Bound: 0.88, Least: true, Speed: true})
	}
	return verdicts, nil
}

// printCPU tells what one request costs each server in processor time, on which
// other programs of the machine have less influence than on the rest.
func (s *brokerScene) printCPU(what, path string, body int) {
	if runtime.GOOS != "linux" {
		return
	}
	n := rig.Pick(s.b, 2000, 8000)
	cost := func(base string, pid int) float64 {
		before := cpuOf(pid)
		if _, _, err := s.ask(16, n, body, "POST", base+path); err != nil {
			return 0
		}
		return float64(cpuOf(pid)-before) / float64(n) / 1e3
	}
	fmt.Printf("%s, processor time: bare %.0f, broker %.0f µs a request\n", what, cost(s.bare, s.barePID), cost(s.broker, s.pid))
}

// cpuOf is how many nanoseconds the threads of a process have run.
func cpuOf(pid int) (nanos int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		n, _ := strconv.Atoi(strings.SplitN(string(text), " ", 2)[0])
		nanos += n
	}
	return nanos
}

func (s *brokerScene) firstByte() ([]verdict, error) {
	run := func(base string) func() (float64, error) {
		return func() (float64, error) {
			_, first, err := s.ask(1, rig.Pick(s.b, 500, 2000), 2000, "POST", base+"/backend-api/codex/responses")
			return first, err
		}
	}
	bare, ours, control, err := pairs(s.b, run(s.bare), run(s.broker))
	if err != nil {
		return nil, err
	}
	fmt.Printf("one connection, first byte after: bare %.3f, broker %.3f, bare again %.3f ms; bare-bare %.3f\n",
		rig.Median(bare), rig.Median(ours), rig.Median(control), rig.Median(differences(control, bare)))
	return []verdict{{What: "ms to the first byte, broker - bare proxy, 1 connection", Got: rig.Median(differences(ours, bare)), Bound: 0.1, Speed: true}}, nil
}

// leases compares POST /token with a handler that returns as much.
func (s *brokerScene) leases() ([]verdict, error) {
	req, err := http.NewRequest("POST", s.broker+"/token", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("POST /token: %s, %v", resp.Status, err)
	}
	constant, _, err := s.listen("load", "constant", strconv.Itoa(len(answer)))
	if err != nil {
		return nil, err
	}
	run := func(base string) func() (float64, error) {
		return func() (float64, error) {
			rate, _, err := s.ask(16, rig.Pick(s.b, 5000, 40000), 0, "POST", base+"/token")
			return rate, err
		}
	}
	bare, ours, control, err := pairs(s.b, run(constant), run(s.broker))
	if err != nil {
		return nil, err
	}
	fmt.Printf("leases: a constant %.0f, broker %.0f, the constant again %.0f answers/s; constant/constant %.3f\n",
		rig.Median(bare), rig.Median(ours), rig.Median(control), rig.Median(ratios(control, bare)))
	return []verdict{{What: "answers/s, POST /token / a handler that returns a constant of the same size", Got: rig.Median(ratios(ours, bare)), Bound: 0.75, Least: true, Speed: true}}, nil
}

// runs times whole processes, interleaved.
func (s *brokerScene) runs() ([]verdict, error) {
	path, err := exec.LookPath("true")
	if err != nil {
		fmt.Println("  skip exec: there is no true(1)")
		return nil, nil
	}
	var ratio, hello, ours []float64
	for i := range rig.Pick(s.b, 21, 61) {
		h, e := s.RunProgram("hello", nil), s.Run("exec", "--", path)
		if err := errors.Join(h.Want(0), e.Want(0)); err != nil {
			return nil, err
		}
		if i > 0 {
			ratio = append(ratio, e.Wall.Seconds()/h.Wall.Seconds())
			hello, ours = append(hello, h.Wall.Seconds()*1e3), append(ours, e.Wall.Seconds()*1e3)
		}
	}
	fmt.Printf("hello %.2f ms, codexauth exec -- true %.2f ms (medians of %d)\n", rig.Median(hello), rig.Median(ours), len(ratio))
	return []verdict{{What: "codexauth exec -- true / a program that prints a line", Got: rig.Median(ratio), Bound: 2.6, Speed: true}}, nil
}
