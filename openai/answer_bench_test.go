package openai

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// longStream is a text in so many deltas of the size that the backend sends.
func longStream(deltas int) string {
	var b strings.Builder
	b.WriteString("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5.5\",\"created_at\":1700000000,\"output\":[]}}\n\n")
	b.WriteString("data: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_0123456789abcdef0123456789abcdef\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n")
	for i := range deltas {
		fmt.Fprintf(&b, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":%d,\"item_id\":\"msg_0123456789abcdef0123456789abcdef\",\"output_index\":0,\"content_index\":0,\"delta\":\" word\\n\",\"logprobs\":[],\"obfuscation\":\"a1B2c3D4\"}\n\n", i+2)
	}
	b.WriteString("event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":[],\"usage\":{}}}\n\n")
	return b.String()
}

func benchmarkWriter(b *testing.B, sse string, events int, open func(*source) frameWriter) {
	b.SetBytes(int64(len(sse)))
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		w := open(newSource(sse))
		for {
			if _, err := w.next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N*events), "allocs/event")
}

func BenchmarkResponsesFilter(b *testing.B) {
	benchmarkWriter(b, longStream(5000), 5000, func(s *source) frameWriter { return newResponsesStream(s, asked()) })
}

// The same with an event left out at the beginning, so that each number changes.
func BenchmarkResponsesFilterRenumbering(b *testing.B) {
	sse := longStream(5000)
	at := strings.Index(sse, "\n\n") + 2
	sse = sse[:at] + "data: {\"type\":\"codex.rate_limits\",\"sequence_number\":1}\n\n" + sse[at:]
	benchmarkWriter(b, sse, 5000, func(s *source) frameWriter { return newResponsesStream(s, asked()) })
}

func BenchmarkChatWriter(b *testing.B) {
	benchmarkWriter(b, longStream(5000), 5000, func(s *source) frameWriter { return newChatStream(s, asked()) })
}

// A delta costs no allocation but what keeps the text.
func TestDeltasCostNoAllocation(t *testing.T) {
	sse := longStream(5000)
	for name, open := range map[string]func(*source) frameWriter{
		"chat":      func(s *source) frameWriter { return newChatStream(s, asked()) },
		"responses": func(s *source) frameWriter { return newResponsesStream(s, asked()) },
	} {
		allocs := testing.AllocsPerRun(3, func() {
			if _, err := drainTo(open(newSource(sse))); err != io.EOF {
				t.Fatal(err)
			}
		})
		if allocs > 500 {
			t.Errorf("%s: %v allocations for 5000 events", name, allocs)
		}
	}
}

func drainTo(w frameWriter) (n int, err error) {
	for {
		b, err := w.next()
		n += len(b)
		if err != nil {
			return n, err
		}
	}
}

// endless is a backend's answer that goes on until somebody has enough.
type endless struct {
	piece string
	given int
	rest  string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.piece
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.given += n
	return n, nil
}

// An event that never ends, and an answer that never does, end in an error.
func TestAnswersAreBounded(t *testing.T) {
	delta := `data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"` + strings.Repeat("x", 1<<20) + `"}` + "\n\n"
	for name, piece := range map[string]string{"event": "data: " + strings.Repeat("x", 1<<16), "answer": delta} {
		for way, write := range map[string]func(*source) error{
			"chat stream":      func(s *source) error { _, err := drainTo(newChatStream(s, asked())); return err },
			"responses stream": func(s *source) error { _, err := drainTo(newResponsesStream(s, asked())); return err },
			"chat":             func(s *source) error { _, err := answerChat(s, asked()); return err },
			"responses":        func(s *source) error { _, err := answerResponses(s, asked()); return err },
		} {
			src := &endless{piece: piece}
			const limit = 4 << 20
			err := write(&source{frames: frameReader{src: src}, answer: reply{less: maxAnswer - limit}})
			if most := maxEvent * 2; !isBroken(err) || src.given > most || name == "answer" && src.given > 2*limit {
				t.Errorf("%s, %s: %v after %d bytes", name, way, err, src.given)
			}
		}
	}
}

// An event of megabytes passes, and the buffer that it took does not stay.
func TestLargeEventPasses(t *testing.T) {
	picture := strings.Repeat("A", 3<<20)
	sse := longStream(1)
	at := strings.LastIndex(sse, "event: response.completed")
	sse = sse[:at] + `data: {"type":"response.output_item.done","sequence_number":9,"output_index":1,"item":{"id":"ig_1","type":"image_generation_call","status":"completed","result":"` + picture + "\"}}\n\n" + sse[at:]
	src := newSource(sse)
	out, err := drainFrames(newResponsesStream(src, asked()))
	if err != io.EOF || strings.Count(out, picture) != 2 { // in the item's event, and at the end
		t.Fatal(err, len(out))
	}
	chat := newSource(sse)
	if out, err := drainFrames(newChatStream(chat, asked())); err != io.EOF || len(out) > 4096 {
		t.Fatal(err, len(out))
	}
	for _, s := range []*source{src, chat} {
		if held := len(s.frames.buf) + cap(s.frames.joined); held > keptBuffer {
			t.Errorf("%d bytes are held", held)
		}
	}
}
