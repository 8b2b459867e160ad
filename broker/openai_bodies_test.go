package broker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Bodies that are no requests are refused with the field's name, and nothing of
// them reaches the backend or the log.
func TestAttacksByBody(t *testing.T) {
	r := newRig(t, nil)
	deep := strings.Repeat("[", 100_000)
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "{", "a list": "[]", "two values": "{}{}", "null": "null", "a name twice": `{"model":"a","model":"b","messages":[]}`,
		"deep": `{"model":"gpt-5.5","messages":` + deep, "deep in a field": `{"model":"gpt-5.5","messages":[{"role":"user","content":"x"}],"metadata":` + deep + strings.Repeat("]", 100_000) + "}",
		"no messages": `{"model":"gpt-5.5","messages":[]}`, "unknown role": `{"model":"gpt-5.5","messages":[{"role":"canary","content":"canary"}]}`,
		"bytes": "\x00\xff\xfe canary",
	} {
		for _, path := range []string{chatPath, responsesPath, responsesPath + "/compact"} {
			status, text, _ := r.ask("POST", path, body)
			if refused(t, text); status != 400 {
				t.Errorf("%s on %s: %d %.300s", name, path, status, text)
			}
		}
	}
	if status, text, _ := r.ask("POST", chatPath, `{"model":"gpt-5.5","messages":[{"role":"user","content":"a \ud800 b"}]}`); status != 200 && status != 400 {
		t.Errorf("a lone surrogate: %d %s", status, text)
	}
	if strings.Contains(r.log.String(), "canary") {
		t.Error("a body's words are in the log")
	}
	large := chatAsk(strings.Repeat("x", 63<<20))
	if status, text, _ := r.ask("POST", chatPath, large); status >= 500 {
		t.Errorf("63 MiB: %d %.300s", status, text)
	}
	if n := r.server.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// Large bodies share a budget; small ones pass whatever others send.
func TestBodiesShareABudget(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.MaxBody = 256 << 10 })
	const size = 240 << 10
	var open []io.Closer
	for i := 0; ; i++ { // senders that stop before the end
		conn := r.dial()
		open = append(open, conn)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", chatPath, r.addr, r.key, size+1, strings.Repeat("x", size))
		want := int64(min((i+1)*(size-smallBody), 4*256<<10))
		for r.server.bodies.used.Load() < want && i < 5 {
			time.Sleep(time.Millisecond)
		}
		if i == 4 {
			break
		}
	}
	status, text, h := r.ask("POST", chatPath, chatAsk(strings.Repeat("y", size)))
	if code, _ := refused(t, text); status != 503 || code != "overloaded" || h.Get("Retry-After") != "1" {
		t.Errorf("a large one: %d %s", status, text)
	}
	if status, text, _ := r.ask("POST", chatPath, chatAsk("small")); status != 200 {
		t.Errorf("a small one: %d %s", status, text)
	}
	for _, conn := range open {
		conn.Close()
	}
	for r.server.bodies.used.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
	if status, text, _ := r.ask("POST", chatPath, chatAsk(strings.Repeat("y", size))); status != 200 {
		t.Errorf("afterwards: %d %s", status, text)
	}
}

// A body that stops in the middle is a 408, whatever is read of it.
func TestSlowBodyOfThePublicAPI(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Patience = 50 * time.Millisecond })
	answer := r.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 500\r\n\r\n{", chatPath, r.addr, r.key))
	if statusOf(answer) != 408 || !strings.Contains(answer, "slow_client") {
		t.Error(answer)
	}
}

// A client that does not read holds up itself, is given up in time, and ends at the
// backend.
func TestSlowReaderOfThePublicAPI(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Patience = 200 * time.Millisecond })
	body := chatAsk("sandbox: flood 2000 16k", streamed)
	conn := r.dial()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", chatPath, r.addr, r.key, len(body), body)
	if _, err := bufio.NewReaderSize(conn, 64).Peek(1); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := r.ask("POST", chatPath, chatAsk("me", streamed)); status != 200 || !strings.Contains(text, "[DONE]") {
		t.Errorf("another client: %d %s", status, text)
	}
	for !strings.Contains(r.log.String(), "ended=cancelled") {
		time.Sleep(time.Millisecond)
	}
	_ = conn.Close()
}

// codex#8119: reasoning that was sealed for another login is refused in words that
// say what to do, once and for all; the answer's own is taken back.
func TestReasoningOfAnotherSession(t *testing.T) {
	r := newRig(t, nil)
	_, text, _ := r.ask("POST", responsesPath, responsesAsk("sandbox: reasoning hm; text yes"))
	var answer struct {
		Output []struct {
			Type   string
			Sealed string `json:"encrypted_content"`
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Output) < 1 || answer.Output[0].Sealed == "" {
		t.Fatalf("%v: %s", err, text)
	}
	ask := func(sealed string) (int, string, http.Header) {
		return r.ask("POST", responsesPath, fmt.Sprintf(`{"model":"gpt-5.5","store":false,"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":%q},{"role":"assistant","content":"yes"},{"role":"user","content":"on"}]}`, sealed))
	}
	own := answer.Output[0].Sealed
	if status, text, _ := ask(own); status != 200 {
		t.Errorf("its own: %d %s", status, text)
	}
	status, text, h := ask("gAAAAAB" + own[8:])
	if code, param := refused(t, text); status != 400 || code != "invalid_encrypted_content" || param != "input" || h.Get("X-Should-Retry") != "false" || !strings.Contains(text, "Leave the reasoning items out") {
		t.Errorf("another's: %d %v %s", status, h, text)
	}
}
