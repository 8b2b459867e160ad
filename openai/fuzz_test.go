package openai

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever passes is what the backend takes; whatever does not is a refusal with a
// status and a code.
func fuzz(f *testing.F, api API) {
	for _, r := range corpus(f) {
		if len(r.Body) > 0 && len(r.Body) < 4000 {
			f.Add([]byte(r.Body))
		}
	}
	for _, r := range append(reports, fields...) {
		f.Add([]byte(r.body))
	}
	f.Add([]byte(`{"model":"gpt-5.5","input":[{"type":"0"}],"reasoning":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := parse(api, string(body))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Status != 400 || e.Message == "" || e.Code == "" {
				t.Fatalf("%T %+v", err, err)
			}
			return
		}
		if err := backend(req.Body, api); err != nil {
			t.Fatalf("the backend refuses: %v\n%s", err, req.Body)
		}
		for _, name := range req.Dropped {
			if name == "" || len(name) > longestName || bytes.ContainsAny([]byte(name), ", \r\n\"") {
				t.Errorf("name %q", name)
			}
		}
		again, err := ParseResponses(req.Body, Context{Models: testModels(), CacheKey: "seed"})
		// A client that wants no summary, or says nothing in its "reasoning", has none
		// sent; in what is sent nobody says that any more.
		if err == nil && !bytes.Contains(req.Body, []byte(`"reasoning":`)) {
			again.Body = bytes.Replace(again.Body, []byte(`"reasoning":{"summary":"auto"},`), nil, 1)
		}
		if err != nil || !bytes.Equal(again.Body, req.Body) {
			t.Fatalf("what is sent does not read as itself: %v\n%s", err, req.Body)
		}
	})
}

func FuzzParseChat(f *testing.F)      { fuzz(f, ChatCompletions) }
func FuzzParseResponses(f *testing.F) { fuzz(f, Responses) }
