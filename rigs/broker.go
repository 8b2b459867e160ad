package main

import (
	"bufio"
	"encoding/json"
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

	"codexauth/sandbox"
)

// broker measures `codexauth serve` against a bare httputil.ReverseProxy before
// the same upstream, and under the same load. Pairs alternate, and in each the
// bare proxy is measured twice: how far that is from one says what the rest is
// worth.
func broker(b *bench) ([]verdict, error) {
	s, err := b.newBrokerScene()
	if err != nil {
		return nil, err
	}
	defer s.close()
	var verdicts []verdict
	for _, m := range []struct {
		name string
		run  func() ([]verdict, error)
	}{{"throughput", s.throughput}, {"first byte", s.firstByte}, {"lease", s.leases}, {"idle streams", s.idleStreams}, {"exec", s.runs}} {
		if !strings.Contains(m.name, b.only) {
			continue
		}
		more, err := m.run()
		if err != nil {
			return verdicts, err
		}
		verdicts = append(verdicts, more...)
	}
	fmt.Printf("answers that broke off: %d of the bare proxy's\n", s.brokenBare)
	return append(verdicts, verdict{what: "answers of the broker's that broke off", got: float64(s.brokenOurs)}), nil
}

// A brokerScene is an upstream, a bare proxy and a broker before it.
type brokerScene struct {
	*trial
	front                  *front
	upstream               *upstreamBackend
	bare, broker           string // URLs
	barePID, pid           int
	key                    string
	brokenBare, brokenOurs int // answers
	stops                  []func()
}

func (b *bench) newBrokerScene() (s *brokerScene, err error) {
	s = &brokerScene{upstream: &upstreamBackend{next: make(chan struct{})}}
	if s.trial, err = b.newPlace(sandbox.Config{}); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.trial.close)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.front, err = s.behind(""); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.front.close)
	s.front.backend = s.upstream
	added := s.run("serve", "key", "add", "bench", "--lease")
	s.key = strings.TrimSpace(added.out)
	if err := added.want(0); err != nil {
		return nil, err
	}
	if s.bare, s.barePID, err = s.listen("load", "bare", s.issuer); err != nil {
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

// listen starts a server that prints where it is, with its log in a file as a
// service manager's is.
func (s *brokerScene) listen(name string, args ...string) (url string, pid int, err error) {
	log, err := os.CreateTemp(s.dir, "log-")
	if err != nil {
		return "", 0, err
	}
	defer log.Close()
	cmd := exec.Command(s.b.program(name), args...)
	cmd.Env = append([]string{"CODEXAUTH_HOME=" + s.home, "CODEXAUTH_ISSUER=" + s.issuer, "HOME=" + s.dir,
		"TMPDIR=" + filepath.Join(s.dir, "tmp"), "PATH=" + os.Getenv("PATH")}, s.env...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, err
	}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	s.stops = append(s.stops, func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return "", 0, fmt.Errorf("%s did not start: %w: %s", name, err, text)
	}
	url = strings.TrimSpace(line)
	if strings.HasPrefix(url, "{") {
		var body struct{ URL string }
		err = json.Unmarshal([]byte(line), &body)
		url = body.URL
	}
	return url, cmd.Process.Pid, err
}

// ask is one run of the load: requests per second, and the median time to the
// first byte in milliseconds. It counts the answers that broke off.
func (s *brokerScene) ask(conns, n, body int, method, url string) (rate, first float64, err error) {
	r := s.runProgram("load", nil, "ask", "-conns", strconv.Itoa(conns), "-n", strconv.Itoa(n), "-body", strconv.Itoa(body), "-key", s.key, method, url)
	if err := r.want(0); err != nil {
		return 0, 0, err
	}
	var broken int
	_, err = fmt.Sscan(r.out, &rate, &first, &broken)
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
func pairs(b *bench, bare, ours func() (float64, error)) (plain, broker, control []float64, err error) {
	for i := range pick(b, 3, brokerPairs) + 1 {
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
				rate, _, err := s.ask(16, pick(s.b, 2000, 8000), load.body, "POST", base+load.path)
				return rate, err
			}
		}
		bare, ours, control, err := pairs(s.b, run(s.bare), run(s.broker))
		if err != nil {
			return nil, err
		}
		s.printCPU(load.what, load.path, load.body)
		fmt.Printf("16 connections, %s: bare %.0f, broker %.0f, bare again %.0f requests/s; bare/bare %.3f\n",
			load.what, median(bare), median(ours), median(control), median(ratios(control, bare)))
		verdicts = append(verdicts, verdict{what: "requests/s, broker / bare proxy, 16 connections, " + load.what,
			got: median(ratios(ours, bare)), bound: 0.88, least: true, speed: true})
	}
	return verdicts, nil
}

// printCPU tells what one request costs each server in processor time, on which
// other programs of the machine have less influence than on the rest.
func (s *brokerScene) printCPU(what, path string, body int) {
	if runtime.GOOS != "linux" {
		return
	}
	n := pick(s.b, 2000, 8000)
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
			_, first, err := s.ask(1, pick(s.b, 500, 2000), 2000, "POST", base+"/backend-api/codex/responses")
			return first, err
		}
	}
	bare, ours, control, err := pairs(s.b, run(s.bare), run(s.broker))
	if err != nil {
		return nil, err
	}
	fmt.Printf("one connection, first byte after: bare %.3f, broker %.3f, bare again %.3f ms; bare-bare %.3f\n",
		median(bare), median(ours), median(control), median(differences(control, bare)))
	return []verdict{{what: "ms to the first byte, broker - bare proxy, 1 connection", got: median(differences(ours, bare)), bound: 0.1, speed: true}}, nil
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
			rate, _, err := s.ask(16, pick(s.b, 5000, 40000), 0, "POST", base+"/token")
			return rate, err
		}
	}
	bare, ours, control, err := pairs(s.b, run(constant), run(s.broker))
	if err != nil {
		return nil, err
	}
	fmt.Printf("leases: a constant %.0f, broker %.0f, the constant again %.0f answers/s; constant/constant %.3f\n",
		median(bare), median(ours), median(control), median(ratios(control, bare)))
	return []verdict{{what: "answers/s, POST /token / a handler that returns a constant of the same size", got: median(ratios(ours, bare)), bound: 0.75, least: true, speed: true}}, nil
}

// runs times whole processes, interleaved.
func (s *brokerScene) runs() ([]verdict, error) {
	path, err := exec.LookPath("true")
	if err != nil {
		fmt.Println("  skip exec: there is no true(1)")
		return nil, nil
	}
	var ratio, hello, ours []float64
	for i := range pick(s.b, 21, 61) {
		h, e := s.runProgram("hello", nil), s.run("exec", "--", path)
		if err := errors.Join(h.want(0), e.want(0)); err != nil {
			return nil, err
		}
		if i > 0 {
			ratio = append(ratio, e.wall.Seconds()/h.wall.Seconds())
			hello, ours = append(hello, h.wall.Seconds()*1e3), append(ours, e.wall.Seconds()*1e3)
		}
	}
	fmt.Printf("hello %.2f ms, codexauth exec -- true %.2f ms (medians of %d)\n", median(hello), median(ours), len(ratio))
	return []verdict{{what: "codexauth exec -- true / a program that prints a line", got: median(ratio), bound: 2.6, speed: true}}, nil
}
