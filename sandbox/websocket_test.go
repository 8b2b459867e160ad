package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"codexauth/sandbox"
)

// dial opens a WebSocket with a client that is not ours.
func (r *rig) dial(tokens sandbox.Tokens) *websocket.Conn {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), r.BackendURL()+"/responses", &websocket.DialOptions{HTTPHeader: http.Header{
		"Authorization": {"Bearer " + tokens.AccessToken}, "Chatgpt-Account-Id": {tokens.AccountID},
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 24)
	return conn
}

// converse sends a message and reads to the event that ends the answer.
func converse(t *testing.T, conn *websocket.Conn, message string) (events []map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		var event map[string]any
		if err := json.Unmarshal(data, &event); err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
		if kind := event["type"]; kind == "response.completed" || kind == "error" {
			return events
		}
	}
}

func TestWebSocket(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	conn := r.dial(r.Issue(sandbox.User{}))
	create := strings.Replace(prompt, "{", `{"type":"response.create","previous_response_id":"resp_1",`, 1)
	for range 2 {
		events := converse(t, conn, create)
		if events[0]["type"] != "response.created" || len(events) < 6 {
			t.Errorf("events %v", events)
		}
	}
	if err := conn.Ping(withReader(t, conn)); err != nil {
		t.Errorf("a ping: %v", err)
	}
	conn = r.dial(r.Issue(sandbox.User{}))
	for _, wrong := range []string{"[]", "x", `{"type":"response.cancel"}`, strings.Replace(create, `"store":false`, `"store":true`, 1)} {
		if events := converse(t, conn, wrong); events[0]["type"] != "error" || events[0]["status"] != 400.0 {
			t.Errorf("%s: %v", wrong, events)
		}
	}
	long := strings.Replace(create, "{", `{"instructions":"`+strings.Repeat("x", 100_000)+`",`, 1)
	if events := converse(t, conn, long); events[len(events)-1]["type"] != "response.completed" {
		t.Errorf("a long prompt: %v", events)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("the closing handshake: %v", err)
	}
}

// withReader gives Ping the reader that it needs.
func withReader(t *testing.T, conn *websocket.Conn) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	conn.CloseRead(ctx)
	return ctx
}

func TestWebSocketIsCutAndClosed(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	r.faults("backend-drop*1")
	conn := r.dial(tokens)
	ctx := t.Context()
	create := []byte(strings.Replace(prompt, "{", `{"type":"response.create",`, 1))
	if err := conn.Write(ctx, websocket.MessageText, create); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(ctx); err != nil || !bytes.Contains(data, []byte("response.created")) {
		t.Errorf("%s %v", data, err)
	}
	if _, _, err := conn.Read(ctx); err == nil {
		t.Error("it goes on")
	}
	conn = r.dial(tokens)
	r.Server.Close()
	if _, _, err := conn.Read(ctx); err == nil {
		t.Error("a closed sandbox leaves its WebSockets")
	}
}
