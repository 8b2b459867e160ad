package openai

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The list of models is asked for once in a while, behind the requests' backs.
func TestModelsAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tags []string
		b := &fakeBackend{models: func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			tags = append(tags, req.Header.Get("If-None-Match"))
			if len(tags) == 2 {
				return answered(304, ""), nil
			}
			if len(tags) == 3 {
				return answered(500, "oh"), nil
			}
			return answered(200, modelList, "Etag", `"v1"`), nil
		}}
		tr, _ := transportTo(b)
		list := func() time.Duration {
			start := time.Now()
			resp, err := tr.RoundTrip(httptest.NewRequest(http.MethodGet, "http://x.example/v1/models", nil))
			if body := read(t, resp, err); resp.StatusCode != 200 || !strings.Contains(body, `"data"`) || !strings.Contains(body, `"models"`) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			return time.Since(start)
		}
		want(t, "the first waits", list(), time.Second)
		want(t, "the second does not", list(), 0*time.Second)
		time.Sleep(modelsFresh)
		want(t, "nor does one with an old list", list(), 0*time.Second)
		list()
		time.Sleep(2 * time.Second)
		synctest.Wait() // answered 304
		want(t, "questions", len(tags), 2)
		time.Sleep(modelsFresh)
		list()
		time.Sleep(2 * time.Second)
		synctest.Wait() // answered 500: the old list stands
		list()
		want(t, "questions", len(tags), 3)
		time.Sleep(modelsRetry)
		list()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, "tags", strings.Join(tags, " "), ` "v1" "v1" "v1"`)
		resp, err := tr.RoundTrip(httptest.NewRequest(http.MethodGet, "http://x.example/v1/models/gpt-5.5", nil))
		if body := read(t, resp, err); !strings.Contains(body, `"id":"gpt-5.5"`) {
			t.Error(body)
		}
		resp, err = tr.RoundTrip(httptest.NewRequest(http.MethodGet, "http://x.example/v1/models/gpt-0", nil))
		if body := read(t, resp, err); resp.StatusCode != 404 || !strings.Contains(body, "gpt-5.5") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
}

// Without a list of models requests are still answered.
func TestRequestsPassWithoutModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := says(stream(t, "092-plain"))
		b.models = func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		tr, _ := transportTo(b)
		start := time.Now()
		resp, err := tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAskOnce))
		read(t, resp, err)
		want(t, "waited", time.Since(start), modelsWait)
		time.Sleep(modelsTimeout)
		for range 3 {
			resp, err = tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAskOnce))
			read(t, resp, err)
		}
		want(t, "questions", b.lists, 1)
	})
}

// Where nobody is signed in there is no list, and there is one a moment after somebody
// has.
func TestModelsAfterASignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := says("")
		in := false
		b.models = func(*http.Request) (*http.Response, error) {
			if !in {
				return nil, errors.New("not signed in")
			}
			return answered(200, modelList), nil
		}
		tr, _ := transportTo(b)
		ask := func() error {
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://x/v1/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tr.RoundTrip(req)
			return err
		}
		for range 5 {
			if ask() == nil {
				t.Error("a list of nobody's")
			}
		}
		want(t, "questions", b.lists, 1)
		in = true
		time.Sleep(modelsAgain)
		if err := ask(); err != nil {
			t.Errorf("signed in: %v", err)
		}
	})
}

// What was answered can be referred to.
func TestMemoryIsFedFromAnswers(t *testing.T) {
	for _, ask := range []string{responsesAsk, `{"model":"gpt-5.5","input":"hi"}`} {
		for _, next := range []string{`"previous_response_id":"resp_1","input":"and?"`, `"input":[{"type":"item_reference","id":"rs_1"},{"type":"item_reference","id":"msg_1"},{"role":"user","content":"go on"}]`} {
			b := says(stream(t, "061-output-empty"))
			tr, _ := transportTo(b)
			tr.Memory = NewMemory(1<<20, time.Hour)
			resp, err := tr.RoundTrip(post(t.Context(), "/v1/responses", ask))
			read(t, resp, err)
			resp, err = tr.RoundTrip(post(t.Context(), "/v1/responses", `{"model":"gpt-5.5",`+next+`}`))
			read(t, resp, err)
			if len(b.bodies) != 2 || !strings.Contains(b.bodies[1], "gAAAA-opaque") || !strings.Contains(b.bodies[1], "– ünï") {
				t.Error(resp.StatusCode, b.bodies)
			}
		}
	}
}
