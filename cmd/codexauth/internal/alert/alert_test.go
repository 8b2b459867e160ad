package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/monitor"
)

const outVariable = "ALERT_TEST_OUT"

// TestMain is the program for events, too: it writes down what it was told.
func TestMain(m *testing.M) {
	if path := os.Getenv(outVariable); path != "" {
		in, _ := io.ReadAll(os.Stdin)
		var ours []string
		for _, entry := range os.Environ() {
			if strings.HasPrefix(entry, "CODEXAUTH_EVENT") {
				ours = append(ours, entry)
			}
		}
		text, _ := json.Marshal(given{os.Args[1:], ours, string(in)})
		if os.WriteFile(path, text, 0o600) != nil {
			os.Exit(3)
		}
		os.Stderr.WriteString("level=ERROR msg=forged\n")
		return
	}
	os.Exit(m.Run())
}

type given struct {
	Args, Env []string
	Stdin     string
}

type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newNotifier(t *testing.T, cfg Config) (*Notifier, *sink) {
	t.Helper()
	log := &sink{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n, log
}

// refusal is an event in which everything that others have made is hostile.
func refusal() codexauth.Event {
	const nasty = "$(touch pwned)`id`;\n' \" \x1b[31m%s"
	return codexauth.Event{Kind: codexauth.EventRefused, ID: "id1", Key: nasty, At: time.Unix(0, 0), AccountID: nasty,
		Err: &codexauth.RefusedError{Code: nasty, Description: nasty}}
}

// Nothing that a server, a profile's name or an account says reaches a program but as
// JSON: not its arguments, not its environment, and what it prints is nobody's line.
func TestCommandGetsNothingToRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv(outVariable, out)
	t.Setenv("CODEXAUTH_EVENT_CODE", "of another process")
	argv := []string{os.Args[0], "a b", "$(touch pwned)", ";id", "%s"}
	n, log := newNotifier(t, Config{Command: argv})
	n.tell(t.Context(), job{event: refusal()})
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	var got given
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Args, argv[1:]) {
		t.Errorf("arguments %q", got.Args)
	}
	want := []string{"CODEXAUTH_EVENT=refused", "CODEXAUTH_EVENT_AT=1970-01-01T00:00:00Z", "CODEXAUTH_EVENT_CODE=other", "CODEXAUTH_EVENT_ID=id1", "CODEXAUTH_EVENT_PROFILE=other"}
	if slices.Sort(got.Env); !slices.Equal(got.Env, want) {
		t.Errorf("environment %q", got.Env)
	}
	var body monitor.Body
	if err := json.Unmarshal([]byte(got.Stdin), &body); err != nil || body.Event != "refused" || strings.ContainsAny(got.Stdin[:len(got.Stdin)-1], "\n\x1b") {
		t.Errorf("%v: %q", err, got.Stdin)
	}
	if log.String() != "" {
		t.Errorf("%s", log)
	}
}

func TestCommandThatFailsIsToldOf(t *testing.T) {
	t.Setenv(outVariable, filepath.Join(t.TempDir(), "none", "out"))
	n, log := newNotifier(t, Config{Command: []string{os.Args[0]}})
	n.tell(t.Context(), job{event: refusal()})
	if !strings.Contains(log.String(), "exit status 3") || strings.Contains(log.String(), "forged") {
		t.Errorf("%s", log)
	}
}

func TestParseCommand(t *testing.T) {
	for text, want := range map[string][]string{
		"/a b/c":            {"/a b/c"},
		`["x","--y","a;b"]`: {"x", "--y", "a;b"},
		`[]`:                nil,
		`[""]`:              nil,
		`["x"`:              nil,
		`[1]`:               nil,
	} {
		if got, err := ParseCommand(text); !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	if _, err := New(Config{Command: []string{"/nowhere/to/be/found"}}); err == nil {
		t.Error("a program that is not there is taken")
	}
}

func TestCheckWebhook(t *testing.T) {
	for address, good := range map[string]bool{
		"https://hooks.example/T/B/x?y": true, "http://127.0.0.1:80/x": true, "http://[::1]/": true, "http://localhost/": true,
		"http://hooks.example/": false, "https://u:p@hooks.example/": false, "file:///etc/passwd": false, "https:///x": false,
		"": true, "ftp://127.0.0.1/": false, "http://127.0.0.1.example/": false, "https://x/#y": false,
	} {
		if _, err := New(Config{Webhook: address}); (err == nil) != good || err != nil && !errors.Is(err, ErrWebhook) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

type hook func(*http.Request) (*http.Response, error)

func (f hook) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody, Header: http.Header{"Location": {"https://elsewhere.example/"}}}
}

// What passes is tried again, what does not is told; no redirect is followed, and the
// address, which may be a secret, is in no line.
func TestWebhook(t *testing.T) {
	for name, tt := range map[string]struct {
		statuses []int // 0: nobody answers
		failed   bool
	}{
		"good":     {[]int{204}, false},
		"passes":   {[]int{503, 0, 429, 200}, false},
		"bad":      {[]int{404}, true},
		"redirect": {[]int{302}, true},
		"down":     {[]int{0, 500, 0, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				n, log := newNotifier(t, Config{Webhook: "https://hooks.example/s3cret", Transport: hook(func(r *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(r.Body)
					if r.Method != "POST" || r.URL.Path != "/s3cret" || json.Unmarshal(body, new(monitor.Body)) != nil {
						t.Errorf("%s %s %s", r.Method, r.URL, body)
					}
					if asked++; asked > len(tt.statuses) {
						t.Fatal("asked too often")
					}
					if status := tt.statuses[asked-1]; status != 0 {
						return answer(status), nil
					}
					return nil, errors.New("connection refused")
				})})
				n.tell(t.Context(), job{event: refusal()})
				if asked != len(tt.statuses) || tt.failed != strings.Contains(log.String(), "not delivered") || strings.Contains(log.String(), "s3cret") {
					t.Errorf("asked %d times; %s", asked, log)
				}
			})
		})
	}
}

// One at a time, in order; only what matters; what others report is not told; and
// where that can't be found out it is.
func TestNotifierTellsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		busy := false
		n, _ := newNotifier(t, Config{Webhook: "https://hooks.example/", Transport: hook(func(r *http.Request) (*http.Response, error) {
			if busy {
				t.Error("two at once")
			}
			busy = true
			time.Sleep(time.Second)
			busy = false
			var b monitor.Body
			_ = json.NewDecoder(r.Body).Decode(&b)
			got = append(got, b.ID)
			return answer(200), nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { n.Run(ctx) })
		ours := func(_ context.Context, e codexauth.Event) (bool, error) { return e.ID != "theirs", nil }
		lost := func(context.Context, codexauth.Event) (bool, error) { return false, errors.New("read-only") }
		for _, e := range []codexauth.Event{
			{ID: "1", Kind: codexauth.EventRefused}, {ID: "x", Kind: codexauth.EventRefreshed}, {ID: "2", Kind: codexauth.EventBackingOff},
			{ID: "theirs", Kind: codexauth.EventRefused}, {ID: "3", Kind: codexauth.EventRefreshed, Recovered: true}, {ID: "y", Kind: codexauth.EventStoreBack},
		} {
			n.Hear(e, ours)
		}
		n.Hear(codexauth.Event{ID: "4", Kind: codexauth.EventUnknownOutcome}, lost)
		time.Sleep(time.Minute)
		cancel()
		run.Wait()
		if want := []string{"1", "2", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("told about %v, want %v", got, want)
		}
	})
}

// A flood of events fills no memory.
func TestNotifierIsBounded(t *testing.T) {
	n, _ := newNotifier(t, Config{})
	for range 10 * mostWaiting {
		n.Hear(refusal(), nil)
	}
	if len(n.waiting) != mostWaiting {
		t.Errorf("%d wait", len(n.waiting))
	}
}

// A note that failed may have landed: who made it finds its own, and tells.
func TestNoteThatMayHaveLanded(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		told bool
	}{
		"cut off":    {errors.New("connection reset"), true},
		"was beaten": {codexauth.ErrLost, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n, _ := newNotifier(t, Config{})
			asked := 0
			ours := n.ours(t.Context(), job{announce: func(context.Context, codexauth.Event) (bool, error) {
				if asked++; asked == 1 {
					return true, tt.err
				}
				return false, nil
			}})
			if ours != tt.told {
				t.Errorf("%s: told: %t", name, ours)
			}
		})
	}
}

// Who stops is not held up by a program or a webhook that hangs, and says so.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n, log := newNotifier(t, Config{Webhook: "https://hooks.example/", Transport: hook(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		n.post(ctx, []byte("{}"))
		if took := time.Since(began); took > webhookLimit || !strings.Contains(log.String(), "not delivered") {
			t.Errorf("after %v: %s", took, log)
		}
	})
	for stopped, want := range map[time.Duration]time.Duration{time.Second: 11 * time.Second, 25 * time.Second: commandLimit, time.Hour: commandLimit} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(stopped, cancel).Stop()
			began := time.Now()
			lasting, end := outlast(ctx, commandLimit)
			defer end()
			<-lasting.Done()
			if took := time.Since(began); took != want {
				t.Errorf("stopped after %v it lasts %v, want %v", stopped, took, want)
			}
		})
	}
}
