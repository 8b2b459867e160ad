package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// prompt is the body of a request that asks for an echo of text.
func prompt(text string) string {
	return fmt.Sprintf(`{"model":"gpt-sandbox","input":[{"role":"user","content":[{"type":"input_text","text":%q}]}],"store":false,"stream":true}`, text)
}

// curlStream is a `curl -N` that prints a stream. The key, where one is needed,
// comes by a descriptor: on the command line anybody could read it.
func curlStream(t *testing.T, text string) []string {
	t.Helper()
	return []string{"sh", "-c", `printf 'Authorization: Bearer %s\n' "$OPENAI_API_KEY" |
		exec "$0" -sSN -H @- -H 'Content-Type: application/json' -d "$1" "$OPENAI_BASE_URL/responses"`,
		rig.Curl(t), prompt(text)}
}

// hearEvents reads a stream as it comes out of curl, while gate lets one event
// after the other out of the backend, and returns how many there were.
func hearEvents(t *testing.T, gate *rig.Gate, talk *rig.Talk) (events int) {
	t.Helper()
	for {
		passed := passToWork(t, gate)
		for _, name := range passed {
			line := talk.Hear(t)
			for ; line != "event: "+name; line = talk.Hear(t) {
				if strings.HasPrefix(line, "event: ") {
					t.Fatalf("the backend sent %s, and curl got %q", name, line)
				}
			}
			for talk.Hear(t) != "" {
			}
			events++
		}
		if passed[len(passed)-1] == "response.completed" {
			return events
		}
	}
}

// curl, with a key: events come one by one, it goes away in mid-stream, and a
// login that is refreshed or refused meanwhile is none of its business.
func TestCurl(t *testing.T) {
	eachWay(t, time.Hour, func(t *testing.T, st *stage, w rig.Way) {
		gate := st.tap.Hold()
		talk := w.Talk(t, curlStream(t, "hello")...)
		if n := hearEvents(t, gate, talk); n < 8 {
			t.Errorf("%d events, want more", n)
		}
		if r := talk.Close(t); r.Code != 0 {
			t.Errorf("curl: exit %d; it said %q", r.Code, r.Stderr)
		}
		st.sandbox.Control(t, map[string]any{"expire_access": true})
		gate.Open()
		r := w.Run(t, curlStream(t, "after a 401")...)
		if r.Code != 0 || !strings.Contains(r.Stdout, "after a 401") {
			t.Errorf("after a 401, curl: exit %d, %q; it said %q", r.Code, r.Stdout, r.Stderr)
		}
		st.wantRefreshes(t, 1)
		st.wantSigned(t)
	})
}

// curl on the Unix socket, without any key.
func TestCurlUnixSocket(t *testing.T) {
	t.Parallel()
	st := newStage(t, -time.Hour) // with a login that has expired, to begin with
	server := st.cli.StartServe(t)
	w := rig.Way{}
	stream := func(text string) []string {
		return []string{rig.Curl(t), "-sSN", "--unix-socket", server.Socket, "-H", "Content-Type: application/json", "-d", prompt(text), "http://broker/v1/responses"}
	}
	gate := st.tap.Hold()
	hearEvents(t, gate, w.Talk(t, stream("hello")...))
	st.wantRefreshes(t, 1)

	talk := w.Talk(t, stream("to be given up")...)
	passToWork(t, gate)
	talk.Hear(t)
	talk.Interrupt(t)
	seen := st.tap.Seen()
	last := seen[len(seen)-1]
	select {
	case <-last.Ended:
	case <-time.After(10 * time.Second):
		t.Fatal("10 s after curl has gone, the answer is still under way at the backend")
	}
	if !last.Cut() {
		t.Error("the answer ended by itself")
	}
	gate.Open()

	r := w.Run(t, rig.Curl(t), "-sS", "--unix-socket", server.Socket, "http://broker/v1/models")
	for _, want := range []string{`"models":[`, `"object":"list"`, `"data":[`} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the list of models has no %s: %q", want, r.Stdout)
		}
	}
	r = w.Run(t, rig.Curl(t), "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", server.Socket, "-H", "Content-Type: application/json", "-d", `{"model":"gpt-sandbox","input":[],"store":true,"stream":true}`, "http://broker/backend-api/codex/responses")
	if r.Stdout != fmt.Sprint(http.StatusBadRequest) {
		t.Errorf("store: true is answered with %s", r.Stdout)
	}
	st.wantSigned(t)
}
