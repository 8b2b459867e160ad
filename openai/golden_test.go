package openai

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files again")

// asks are the requests whose answers have something of their own.
var asks = map[string]func(*Request){
	"062-tool-call-output-empty": func(r *Request) { r.Legacy = true },
	"092-plain":                  func(r *Request) { r.IncludeUsage = true },
	"216-stop":                   func(r *Request) { r.Stop = []string{"STOP", "never"} },
}

// What a client gets of each stream, byte for byte, in all four ways.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/streams/*.sse")
	if err != nil || len(names) < 50 {
		t.Fatal(names, err)
	}
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".sse")
		t.Run(name, func(t *testing.T) {
			for way, answer := range map[string]func(string, *Request) (string, error){
				"chat-stream":      chatStreamOf,
				"responses-stream": responsesStreamOf,
				"chat.json":        whole(answerChat),
				"responses.json":   whole(answerResponses),
			} {
				req := asked()
				if ask := asks[name]; ask != nil {
					ask(req)
				}
				out, err := answer(stream(t, name), req)
				compare(t, filepath.Join("testdata", "answers", name+"."+way), fixed(out)+fmt.Sprintf("\n== %v\n", err))
			}
		})
	}
}

func whole(write func(*source, *Request) ([]byte, error)) func(string, *Request) (string, error) {
	return func(sse string, req *Request) (string, error) {
		b, err := write(newSource(sse), req)
		return string(b), err
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was:\n%s", path, got)
	}
}

// What holds for every stream, whatever is in it.
func TestEveryStreamKeepsToTheRules(t *testing.T) {
	names, _ := filepath.Glob("testdata/streams/*.sse")
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".sse")
		t.Run(name, func(t *testing.T) {
			sse := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream(t, name))
			good := strings.Contains(sse, `"response.completed"`) || strings.Contains(sse, `"response.incomplete"`) || strings.Contains(sse, `"response.done"`)
			out, err := chatStreamOf(sse, asked())
			if sum := sumChat(t, out); (err.Error() == "EOF") != good || sum.done != good || (sum.failure == nil) != good || (sum.finish != "") != good {
				t.Errorf("chat: ended with %v:\n%s", err, out)
			}
			out, err = responsesStreamOf(sse, asked())
			events := checkResponses(t, out, good)
			end := lastOf(events)["type"]
			if (err.Error() == "EOF") != good || (end == "response.completed" || end == "response.incomplete") != good || (end == "response.failed") == good {
				t.Errorf("responses: ended with %v:\n%s", err, out)
			}
			if !good && !isBroken(err) {
				t.Errorf("%v says too little", err)
			}
		})
	}
}
