package broker

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The backend's list becomes one that the SDKs read, too, and stays what the
// official command line reads, byte for byte.
func TestModelsAreForEveryClient(t *testing.T) {
	const list = "{\"models\": [{\"slug\":\"gpt-a\",\"n\":1e400},{\"slug\":\"gpt-b\",\"x\":[{}]}], \"etag\":\"y\" }\n"
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" || r.Header.Get("Range") != "" {
			fmt.Fprint(w, "it asks for another form: "+got)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Etag", `"1"`)
		fmt.Fprint(w, list)
	})
	for _, path := range []string{"/backend-api/codex/models"} {
		status, text, h := r.ask("GET", path, "", "Accept-Encoding", "gzip, br", "Range", "bytes=0-1")
		if status != 200 || !strings.HasPrefix(text, strings.TrimSuffix(list, "}\n")) || h.Get("Content-Length") != fmt.Sprint(len(text)) || h.Get("Etag") != `"1"` {
			t.Fatalf("%s: %d %v %s", path, status, h, text)
		}
		var both struct {
			Models []struct{ Slug string }
			Object string
			Data   []struct{ ID, Object string }
		}
		r.must(json.Unmarshal([]byte(text), &both))
		if len(both.Models) != 2 || both.Object != "list" || len(both.Data) != 2 || both.Data[1].ID != "gpt-b" || both.Data[1].Object != "model" {
			t.Errorf("%s", text)
		}
	}
	resp := r.send(r.request("HEAD", "/backend-api/codex/models", ""))
	if resp.StatusCode != 200 || resp.ContentLength >= 0 {
		t.Errorf("HEAD: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestOtherListsOfModelsPassAsTheyAre(t *testing.T) {
	answer := ""
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
	for _, answer = range []string{
		"", "null", "[]", "{}", "no JSON", `{"models":null}`, `{"models":{}}`, `{"models":["a"]}`, `{"models":[{"name":"a"}]}`, `{"models":[{"slug":""}]}`,
		`{"models":[{"slug":"a"}],"data":[]}`, `{"models":[{"slug":"a"}],"object":"x"}`, `{"object":"list","data":[{"id":"a"}]}`, `{"models":[{"slug":"a"}]} x`,
		strings.Repeat(" ", maxModels) + `{"models":[{"slug":"a"}]}`,
	} {
		if status, text, _ := r.ask("GET", "/backend-api/codex/models", ""); status != 200 || text != answer {
			t.Errorf("%.80q became %d %.80q", answer, status, text)
		}
	}
	answer = `{"models":[]}`
	if _, text, _ := r.ask("GET", "/backend-api/codex/models", ""); text != `{"models":[],"object":"list","data":[]}` {
		t.Errorf("no models: %s", text)
	}
	for _, tt := range []struct {
		status  int
		headers []string
	}{{404, nil}, {200, []string{"Content-Encoding", "gzip"}}} {
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.headers != nil {
				w.Header().Set(tt.headers[0], tt.headers[1])
			}
			w.WriteHeader(tt.status)
			if tt.headers != nil {
				z := gzip.NewWriter(w)
				fmt.Fprint(z, answer)
				z.Close()
				return
			}
			fmt.Fprint(w, answer)
		})
		if _, text, _ := r.ask("GET", "/backend-api/codex/models", "", "Accept-Encoding", "gzip"); strings.Contains(text, "data") {
			t.Errorf("%+v: %s", tt, text)
		}
	}
}
