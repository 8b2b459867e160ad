package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"codexauth/sandbox"
	"codexauth/store/file"
)

// rig is built binaries, and a login at a sandbox in a file store.
type rig struct {
	dir, codexauth, hello, measure, home string
	srv                         *sandbox.Server
}

func newRig(cfg sandbox.Config) (*rig, error) {
	dir, err := os.MkdirTemp("", "codexauth-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{dir: dir, codexauth: filepath.Join(dir, "codexauth"), hello: filepath.Join(dir, "hello"), measure: filepath.Join(dir, "measure"), home: filepath.Join(dir, "home")}
	for bin, pkg := range map[string]string{r.codexauth: "codexauth/cmd/codexauth", r.hello: "codexauth/bench/hello", r.measure: "codexauth/bench/measure"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	if r.srv, err = sandbox.Start(cfg); err != nil {
		return nil, err
	}
	return r, r.signIn()
}

func (r *rig) signIn() error {
	store, err := file.Open(r.home)
	if err != nil {
		return err
	}
	m, err := signInTo(r.srv, store)
	if err != nil {
		return err
	}
	return m.Close()
}

func (r *rig) close() {
	r.srv.Close()
	os.RemoveAll(r.dir)
}

// run runs a command to its end and returns its output and wall time.
func (r *rig) run(name string, args ...string) (out string, wall time.Duration, err error) {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"CODEXAUTH_HOME=" + r.home, "CODEXAUTH_ISSUER=" + r.srv.URL(), "HOME=" + r.dir, "PATH=" + os.Getenv("PATH")}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err = cmd.Run()
	wall = time.Since(began)
	if err != nil {
		return "", wall, fmt.Errorf("%s %v: %w: %s", filepath.Base(name), args, err, stderr.String())
	}
	return stdout.String(), wall, nil
}

// resident runs codexauth and returns its greatest resident size in MiB.
func (r *rig) resident(args ...string) (float64, error) {
	out, _, err := r.run(r.measure, append([]string{r.codexauth}, args...)...)
	if err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	return kib / 1024, err
}

// start times whole processes, interleaved.
func start() ([]verdict, error) {
	r, err := newRig(sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer r.close()
	var hello, token, ratio, resident []float64
	for i := range 41 {
		_, h, err := r.run(r.hello)
		if err != nil {
			return nil, err
		}
		_, t, err := r.run(r.codexauth, "token")
		if err != nil {
			return nil, err
		}
		mib, err := r.resident("token")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			hello, token = append(hello, h.Seconds()*1e3), append(token, t.Seconds()*1e3)
			ratio, resident = append(ratio, t.Seconds()/h.Seconds()), append(resident, mib)
		}
	}
	fmt.Printf("hello %.2f ms, codexauth token %.2f ms, %.1f MiB resident (medians of %d)\n",
		median(hello), median(token), median(resident), len(ratio))
	return []verdict{
		{"codexauth token, valid token / a program that prints a line", median(ratio), 2.3, false},
		{"codexauth token, resident MiB", median(resident), 10, false},
	}, nil
}

// storm starts processes at once on one expired credential.
func storm() ([]verdict, error) {
	var verdicts []verdict
	for _, n := range []int{2, 10, 50} {
		v, err := stormOf(n)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v...)
	}
	return verdicts, nil
}

func stormOf(n int) ([]verdict, error) {
	const latency = 300 * time.Millisecond
	r, err := newRig(sandbox.Config{AccessTTL: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	defer r.close()
	r.srv.SetAccessTTL(time.Hour)
	valid, _, err := r.together(n) // also brings a token that is valid
	if err != nil {
		return nil, err
	}
	if valid, _, err = r.together(n); err != nil {
		return nil, err
	}
	r.srv.SetAccessTTL(time.Second)
	if _, _, err := r.run(r.codexauth, "refresh"); err != nil {
		return nil, err
	}
	time.Sleep(1100 * time.Millisecond)
	r.srv.SetAccessTTL(time.Hour)
	r.srv.ResetCounters()
	slow, err := sandbox.ParseFault("latency=" + latency.String())
	if err != nil {
		return nil, err
	}
	if err := r.srv.SetFaults(slow); err != nil {
		return nil, err
	}
	wall, tokens, err := r.together(n)
	if err != nil {
		return nil, err
	}
	c := r.srv.Counters()
	fmt.Printf("%d processes: %v on a valid token, %v on an expired one with %v at the server\n", n, valid.Round(time.Millisecond), wall.Round(time.Millisecond), latency)
	name := fmt.Sprintf("%d processes, ", n)
	return []verdict{
		{name + "token requests", float64(c.TokenRequests), 1, false},
		{name + "reuses", float64(c.Reuses), 0, false},
		{name + "different tokens printed", float64(len(tokens)), 1, false},
		{name + "wall beyond the server's latency / wall on a valid token", (wall - latency).Seconds() / valid.Seconds(), 1.3, false},
	}, nil
}

// together runs n processes at once and returns the wall time and the tokens.
func (r *rig) together(n int) (time.Duration, map[string]int, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	tokens := map[string]int{}
	began := time.Now()
	for range n {
		wg.Go(func() {
			out, _, err := r.run(r.codexauth, "token")
			mu.Lock()
			defer mu.Unlock()
			tokens[out]++
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return time.Since(began), tokens, failed
}

// size builds for release and weighs.
func size() ([]verdict, error) {
	r, err := newRig(sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer r.close()
	info, err := os.Stat(r.codexauth)
	if err != nil {
		return nil, err
	}
	return []verdict{{"stripped binary, MB", float64(info.Size()) / 1e6, 15, false}}, nil
}
