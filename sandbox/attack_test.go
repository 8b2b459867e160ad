package sandbox_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// Deep, wide and odd bodies are refused or answered, and cost what reading costs.
func TestOddBodies(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	login := r.Issue(sandbox.User{})
	deep := func(open, shut string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) }
	wide := "[" + strings.Repeat("1,", 200_000) + "1]"
	everywhere := `{"type":"object","properties":{` + strings.Repeat(`"a":{"$ref":"#"},`, 10) + `"b":{"$ref":"#"},"c":{"$ref":"#"},"d":{"type":"array","items":{"$ref":"#"},"minItems":100}}}`
	for name, c := range map[string]struct {
		fields string
		status int
	}{
		"too deep":          {`{"input":` + deep("[", "]", 10_001) + `}`, 400},
		"deep input":        {`{"input":[` + deep("[", "]", 5000) + `]}`, 400},
		"deep and wide":     {`{"tools":[{"type":"function","name":"f","parameters":{"x":` + strings.Replace(deep(`{"a":`, "}", 4000), "1", wide, 1) + `}}]}`, 200},
		"deep strict":       {`{"tools":[{"type":"function","name":"f","strict":true,"parameters":` + deep(`{"items":`, "}", 4000) + `}]}`, 400},
		"recursive schema":  {`{"text":{"format":{"type":"json_schema","name":"n","schema":` + everywhere + `}}}`, 200},
		"schema in a ring":  {`{"text":{"format":{"type":"json_schema","name":"n","schema":{"$ref":"#"}}}}`, 200},
		"many items":        {`{"input":[` + strings.Repeat(user+",", 50_000) + user + `]}`, 200},
		"many unknown keys": {`{"x":1,` + strings.Repeat(`"y":1,`, 50_000) + `"z":1}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"gpt-5.5","store":false,"stream":true,` + strings.TrimPrefix(c.fields, "{")
			if !strings.Contains(c.fields, `"input"`) {
				body = strings.Replace(body, "{", `{"input":[`+user+`],`, 1)
			}
			r.ask(login, body).want(t, c.status, "")
		})
	}
	r.ask(login, `{"model":"gpt-5.5","input":"`+strings.Repeat("x", 32<<20)+`"}`).want(t, 400, "invalid_request")
}

// A body that stops half-way holds up nobody, nor the end of the sandbox.
func TestSlowBody(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /backend-api/codex/responses HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{", strings.TrimPrefix(r.URL(), "http://")); err != nil {
		t.Fatal(err)
	}
	r.scripted("text hi", "").want(t, 200, "")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Clients that leave a flood, or do not read it, or wait, hold up nobody, nor
// the end of the sandbox.
func TestFloodIsLeft(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	begin := func(script string) *http.Response {
		t.Helper()
		body := with(t, `{"input":[{"role":"user","content":"sandbox: `+script+`"}]}`)
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.BackendURL()+"/responses", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		login := r.Issue(sandbox.User{})
		req.Header.Set("Authorization", "Bearer "+login.AccessToken)
		req.Header.Set("chatgpt-account-id", login.AccountID)
		res, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	left := begin("flood 10000000 1k")
	if _, err := io.CopyN(io.Discard, left.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	left.Body.Close()
	begin("flood 10000000 1k")          // and nobody reads it
	begin("comment here; wait 1h; cut") // and nothing comes
	r.scripted("text meanwhile", "").want(t, 200, "")
	if err := r.Close(); err != nil { // waits for every handler
		t.Error(err)
	}
}

// By WebSocket, an answer is the same, a message an event.
func TestScriptsByWebSocket(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	conn := r.dial(r.Issue(sandbox.User{}))
	create := func(script, more string) string {
		said, err := json.Marshal("sandbox: " + script)
		if err != nil {
			t.Fatal(err)
		}
		return `{"type":"response.create","model":"gpt-5.5","store":false,` + more + `"input":[{"role":"user","content":` + string(said) + `}]}`
	}
	got := converse(t, conn, create("tool f {}; flood 3 10", ""))
	if kinds(got) != opening+called+said+closing {
		t.Errorf("events %s", kinds(got))
	}
	if got := converse(t, conn, create("limit", "")); got[0]["status"] != 429.0 {
		t.Errorf("at the limit: %v", got)
	}
	if got := converse(t, conn, create("text hi", `"temperature":1,`)); got[0]["status"] != 400.0 || got[0]["detail"] != "Unsupported parameter: temperature" {
		t.Errorf("refused: %v", got)
	}
	warm := converse(t, conn, strings.Replace(create("", ""), `"store"`, `"generate":false,"store"`, 1))
	if kinds(warm) != opening+closing {
		t.Errorf("a request that generates nothing: %s", kinds(warm))
	}
	on := `{"type":"response.create","model":"gpt-5.5","store":false,"previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"42"}]}`
	if got := converse(t, conn, on); !strings.Contains(fmt.Sprint(got), "The tools said: 42") {
		t.Errorf("going on from a response: %v", got)
	}
}

// BenchmarkFlood is what the sandbox sends at best.
func BenchmarkFlood(b *testing.B) {
	s := sandbox.New(b, sandbox.Config{})
	login := s.Issue(sandbox.User{})
	const events, size = 100_000, 100
	for b.Loop() {
		if err := s.QueueAnswers(fmt.Sprintf("flood %d %d", events, size)); err != nil {
			b.Fatal(err)
		}
		req, err := http.NewRequest("POST", s.BackendURL()+"/responses", strings.NewReader(`{"model":"gpt-5.5","store":false,"stream":true,"input":[]}`))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+login.AccessToken)
		req.Header.Set("chatgpt-account-id", login.AccountID)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, bufio.NewReader(res.Body))
		res.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}
