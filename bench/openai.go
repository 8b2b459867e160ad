package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"codexauth/internal/rig"
	"codexauth/openai"
	"codexauth/sandbox"
)

// A dialect is how a client asks for one and the same stream.
type dialect struct{ path, body string }

func passedThrough(more string) dialect {
	return dialect{"/backend-api/codex/responses", `{"model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"` + more + `"}]}],"store":false,"stream":true}`}
}

func chat(more string) dialect {
	return dialect{"/v1/chat/completions", `{"model":"gpt-5.5","stream":true,"messages":[{"role":"user","content":"` + more + `"}]}`}
}

func responses(more string) dialect {
	return dialect{"/v1/responses", `{"model":"gpt-5.5","stream":true,"store":false,"input":"` + more + `"}`}
}

// openAI measures what it costs that the broker speaks OpenAI's API: the same
// stream of the same upstream, once translated and once passed through by the same
// process. In each pair the pass-through is measured twice.
func openAI(b *rig.Run) ([]verdict, error) {
	verdicts, err := writers(b)
	if err != nil {
		return nil, err
	}
	upstream, err := newOpenAIBackend()
	if err != nil {
		return nil, err
	}
	s, err := newBrokerScene(b)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.issuerProxy.Backend = upstream
	for _, m := range []struct {
		name string
		run  func() ([]verdict, error)
	}{{"throughput", s.translated}, {"first byte", s.translatedFirstByte}, {"idle streams", s.idleChats}} {
		if !strings.Contains(m.name, b.Only) {
			continue
		}
		more, err := m.run()
		if err != nil {
			return verdicts, err
		}
		verdicts = append(verdicts, more...)
	}
	return append(verdicts, verdict{What: "answers that broke off", Got: float64(s.brokenOurs)}), nil
}

// speak is one run of the load in a dialect.
func (s *brokerScene) speak(conns, n int, d dialect) (rate, first float64, err error) {
	return s.load(conns, n, []string{"-send", d.body}, "POST", s.broker+d.path)
}

func (s *brokerScene) translated() (verdicts []verdict, err error) {
	plain := passedThrough(strings.Repeat("x", 2000))
	for _, load := range []struct {
		what  string
		ours  dialect
		bound float64
	}{{"chat", chat(strings.Repeat("x", 2000)), 0.8}, {"Responses", responses(strings.Repeat("x", 2000)), 0.9}} {
		run := func(d dialect) func() (float64, error) {
			return func() (float64, error) {
				rate, _, err := s.speak(16, rig.Pick(s.b, 1000, 4000), d)
				return rate, err
			}
		}
		bare, ours, control, err := pairs(s.b, run(plain), run(load.ours))
		if err != nil {
			return nil, err
		}
		fmt.Printf("16 connections, a stream of %d events: passed through %.0f, %s %.0f, passed through again %.0f requests/s; again/passed %.3f\n",
			upstreamDeltas+6, rig.Median(bare), load.what, rig.Median(ours), rig.Median(control), rig.Median(ratios(control, bare)))
		s.printDialectCPU(load.what, plain, load.ours)
		verdicts = append(verdicts, verdict{What: "requests/s, " + load.what + " stream / passed through, 16 connections",
			Got: rig.Median(ratios(ours, bare)), Bound: load.bound, Least: true, Speed: true})
	}
	return verdicts, nil
}

// printDialectCPU tells what one request costs the broker in processor time.
func (s *brokerScene) printDialectCPU(what string, plain, ours dialect) {
	if runtime.GOOS != "linux" {
		return
	}
	n := rig.Pick(s.b, 1000, 4000)
	cost := func(d dialect) float64 {
		before := cpuOf(s.pid)
		if _, _, err := s.speak(16, n, d); err != nil {
			return 0
		}
		return float64(cpuOf(s.pid)-before) / float64(n) / 1e3
	}
	fmt.Printf("processor time of the broker: passed through %.0f, %s %.0f µs a request\n", cost(plain), what, cost(ours))
}

func (s *brokerScene) translatedFirstByte() ([]verdict, error) {
	run := func(d dialect) func() (float64, error) {
		return func() (float64, error) {
			_, first, err := s.speak(1, rig.Pick(s.b, 300, 1000), d)
			return first, err
		}
	}
	bare, ours, control, err := pairs(s.b, run(passedThrough("x")), run(chat("x")))
	if err != nil {
		return nil, err
	}
	fmt.Printf("one connection, first byte after: passed through %.3f, chat %.3f, passed through again %.3f ms; again-passed %.3f\n",
		rig.Median(bare), rig.Median(ours), rig.Median(control), rig.Median(differences(control, bare)))
	return []verdict{{What: "ms to the first byte, chat stream - passed through, 1 connection", Got: rig.Median(differences(ours, bare)), Bound: 0.2, Speed: true}}, nil
}

// idleChats compares what streams cost that say nothing for a while.
func (s *brokerScene) idleChats() ([]verdict, error) {
	if runtime.GOOS != "linux" {
		fmt.Println("  skip idle streams: resident sizes are read from /proc")
		return nil, nil
	}
	n := rig.Pick(s.b, 500, 5000)
	cost := func(d dialect) (float64, error) {
		// Each server is a new one: what earlier loads left behind would count too.
		base, pid, err := s.listen("codexauth", "--json", "serve", "--listen", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		kib, _, err := s.hold([]string{"-send", d.body}, base+d.path, pid, n, nil)
		return kib, err
	}
	idle := idleWord + strings.Repeat("x", 2000)
	plain, err := cost(passedThrough(idle))
	if err != nil {
		return nil, err
	}
	ours, err := cost(chat(idle))
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d idle streams: passed through %.1f MiB (%.1f KiB each), chat %.1f MiB (%.1f KiB each)\n",
		n, plain/1024, plain/float64(n), ours/1024, ours/float64(n))
	return []verdict{{What: fmt.Sprintf("resident size with %d idle streams, chat / passed through", n), Got: ours / plain, Bound: 1.25, Speed: s.b.Quick}}, nil
}

// writers times the translation of answers alone, on one core.
func writers(b *rig.Run) (verdicts []verdict, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const deltas = 20_000
	sse := []byte(streamOf(deltas))
	models, err := modelList()
	if err != nil {
		return nil, err
	}
	t := openai.NewTransport(constantBackend{models, sse}, "http://backend.example")
	for _, w := range []struct {
		what  string
		d     dialect
		bound float64
	}{{"Responses filter", responses("x"), 150}, {"chat writer", chat("x"), 60}} {
		var speed, allocations []float64
		for range rig.Pick(b, 3, 11) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			for range 5 {
				if err := translateOnce(t, w.d); err != nil {
					return nil, err
				}
			}
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			speed = append(speed, 5*float64(len(sse))/1e6/took.Seconds())
			allocations = append(allocations, float64(after.Mallocs-before.Mallocs)/5/deltas)
		}
		verdicts = append(verdicts,
			verdict{What: w.what + ", MB/s of events on one core", Got: rig.Median(speed), Bound: w.bound, Least: true, Speed: true},
			verdict{What: w.what + ", allocations an event", Got: rig.Median(allocations), Bound: 0.1})
	}
	return verdicts, nil
}

func translateOnce(t *openai.Transport, d dialect) error {
	req, err := http.NewRequest("POST", "http://client.example"+d.path, strings.NewReader(d.body))
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// constantBackend answers with a list of models, or with a stream, from memory.
type constantBackend struct{ models, stream []byte }

func (c constantBackend) RoundTrip(req *http.Request) (*http.Response, error) {
	body := c.stream
	if req.Method == http.MethodGet {
		body = c.models
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
}

func modelList() ([]byte, error) {
	return json.Marshal(map[string]any{"models": sandbox.DefaultModels()})
}

const (
	upstreamDeltas = 24
	idleWord       = "idle"
)

// streamEvents is an answer as the backend sends it.
func streamEvents(deltas int) (events []string) {
	add := func(kind, more string) {
		events = append(events, fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d%s}\n\n", kind, kind, len(events), more))
	}
	const item = `,"output_index":0,"item_id":"msg_0123456789abcdef0123456789abcdef","content_index":0`
	const whole = `"id":"msg_0123456789abcdef0123456789abcdef","type":"message","role":"assistant"`
	text := strings.Repeat(" word", deltas)
	add("response.created", `,"response":{"id":"resp_0123456789abcdef","object":"response","created_at":1700000000,"status":"in_progress","model":"gpt-5.5","output":[]}`)
	add("response.output_item.added", `,"output_index":0,"item":{`+whole+`,"status":"in_progress","content":[]}`)
	add("response.content_part.added", item+`,"part":{"type":"output_text","text":"","annotations":[]}`)
	for range deltas {
		add("response.output_text.delta", item+`,"delta":" word","logprobs":[],"obfuscation":"a1B2c3D4"`)
	}
	add("response.output_text.done", item+`,"text":"`+text+`"`)
	add("response.output_item.done", `,"output_index":0,"item":{`+whole+`,"status":"completed","content":[{"type":"output_text","text":"`+text+`","annotations":[]}]}`)
	add("response.completed", `,"response":{"id":"resp_0123456789abcdef","object":"response","created_at":1700000000,"status":"completed","model":"gpt-5.5","output":[],"usage":{"input_tokens":10,"output_tokens":20,"total_tokens":30}}`)
	return events
}

func streamOf(deltas int) string { return strings.Join(streamEvents(deltas), "") }

// openAIBackend is the upstream of this rig: it is quick and judges nothing.
type openAIBackend struct {
	models []byte
	events []string
}

func newOpenAIBackend() (*openAIBackend, error) {
	models, err := modelList()
	return &openAIBackend{models, streamEvents(upstreamDeltas)}, err
}

func (u *openAIBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if filepath.Base(r.URL.Path) == "models" {
		w.Header().Set("Content-Type", "application/json")
		w.Write(u.models)
		return
	}
	body, _ := io.ReadAll(r.Body)
	idle := bytes.Contains(body, []byte(`"`+idleWord))
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for i, event := range u.events {
		io.WriteString(w, event)
		flush.Flush()
		if idle && i == 3 { // the first word is out
			select {
			case <-r.Context().Done():
			case <-time.After(rig.Longest):
			}
			return
		}
	}
}
