package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func addStreams(f *testing.F) {
	names, _ := filepath.Glob("testdata/streams/*.sse")
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// However the bytes come in pieces, the events are the same.
func FuzzEventStream(f *testing.F) {
	addStreams(f)
	f.Add([]byte("data\ndata: a\rdata:b\r\n\r\n: c\n\n\xef\xbb\xbfdata: d"))
	events := func(r io.Reader) (all []string) {
		frames := frameReader{src: r}
		for {
			f, err := frames.next()
			if err != nil {
				return all
			}
			all = append(all, string(f.data))
		}
	}
	f.Fuzz(func(t *testing.T, sse []byte) {
		whole := events(bytes.NewReader(sse))
		pieces := events(iotest.OneByteReader(bytes.NewReader(sse)))
		if len(whole) != len(pieces) {
			t.Fatalf("%q, in pieces %q", whole, pieces)
		}
		for i := range whole {
			if whole[i] != pieces[i] {
				t.Fatalf("%q, in pieces %q", whole[i], pieces[i])
			}
		}
	})
}

// What we take for JSON is JSON, and the other way round.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":[1,-0.5e+3,{"b":"\u00e9\n"}],"c":null , "d":true}`))
	f.Add([]byte(`{"a":01}`))
	f.Add([]byte("{\"\xac\":0}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := members{data: data}
		seen := map[string]string{}
		for {
			name, at, ok := m.next()
			if !ok {
				break
			}
			seen[plain(name)] = string(at.in(data))
		}
		var want map[string]json.RawMessage
		err := json.Unmarshal(data, &want)
		valid := err == nil && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
		if valid != m.ended && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) < maxNesting {
			t.Fatalf("%q: whole %v, JSON %v", data, m.ended, err)
		}
		for name, value := range want {
			if valid && m.ended && seen[name] != string(value) {
				t.Fatalf("%q: %q is %q, want %q", data, name, seen[name], value)
			}
		}
	})
}

// However broken the backend's stream, a chat client gets chunks that it can read,
// and a clean end only after the end of the answer.
func FuzzChatStream(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, sse []byte) {
		for _, req := range []*Request{asked(), {IncludeUsage: true, Stop: []string{"e", "\n\n"}}, {Legacy: true}} {
			src := newSource(string(sse))
			out, err := drainFrames(newChatStream(src, req))
			data := framesOf(t, out)
			for _, d := range data {
				if d != "[DONE]" && !json.Valid([]byte(d)) {
					t.Fatalf("no JSON: %q", d)
				}
			}
			done := len(data) > 0 && data[len(data)-1] == "[DONE]"
			if (err == io.EOF) != done || done != (src.answer.end != sortUnknown) || err != io.EOF && !isBroken(err) {
				t.Fatalf("ended with %v, [DONE] %v", err, done)
			}
			if b, err := answerChat(newSource(string(sse)), req); (err == nil) != done || err == nil && !json.Valid(b) {
				t.Fatalf("the whole: %v %s", err, b)
			}
		}
	})
}

// Nor does a client of Responses.
func FuzzResponsesStream(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, sse []byte) {
		for _, req := range []*Request{asked(), {names: map[string]string{"f": "ff"}}} {
			src := newSource(string(sse))
			out, err := drainFrames(newResponsesStream(src, req))
			var last string
			for _, frame := range framesOf(t, strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(out, "\uFEFF"))) {
				if !json.Valid([]byte(frame)) {
					t.Fatalf("no JSON: %q", frame)
				}
				last = plain(inside(memberOf([]byte(frame), "type")))
			}
			whole := last == "response.completed" || last == "response.incomplete"
			if (err == io.EOF) != whole || err != io.EOF && (!isBroken(err) || last != "response.failed") {
				t.Fatalf("ended with %v and %s", err, last)
			}
			if b, err := answerResponses(newSource(string(sse)), req); (err == nil) != whole || err == nil && !json.Valid(b) {
				t.Fatalf("the whole: %v %s", err, b)
			}
		}
	})
}
