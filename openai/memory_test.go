package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func raws(items ...string) (out []json.RawMessage) {
	for _, s := range items {
		out = append(out, json.RawMessage(s))
	}
	return out
}

// turn asks with an input, goes on from previous, and answers with one message and reasoning.
func turn(t *testing.T, r *Recall, n int, input, previous string) *Request {
	t.Helper()
	body := `{"model":"gpt-5.5","input":` + input
	if previous != "" {
		body += `,"previous_response_id":"` + previous + `"`
	}
	req, err := ParseResponses([]byte(body+"}"), Context{Models: testModels(), Recall: r})
	if err != nil {
		t.Fatal(err)
	}
	if err := backend(req.Body, Responses); err != nil {
		t.Fatalf("the backend refuses: %v\n%s", err, req.Body)
	}
	r.Remember(req, fmt.Sprintf("resp_%d", n), raws(
		fmt.Sprintf(`{"id":"rs_%d","type":"reasoning","summary":[],"encrypted_content":"sealed%d"}`, n, n),
		fmt.Sprintf(`{"id":"msg_%d","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"answer %d","annotations":[]}]}`, n, n)))
	return req
}

// A conversation that goes on by previous_response_id is sent whole, in its order.
func TestPreviousResponseIsPutInFront(t *testing.T) {
	r := NewMemory(1<<20, time.Hour).For("key")
	turn(t, r, 1, `"first"`, "")
	turn(t, r, 2, `"second"`, "resp_1")
	req := turn(t, r, 3, `"third"`, "resp_2")
	want := `"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"first"}]},{"type":"reasoning","summary":[],"encrypted_content":"sealed1"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"answer 1"}],"status":"completed"},` +
		`{"type":"message","role":"user","content":[{"type":"input_text","text":"second"}]},{"type":"reasoning","summary":[],"encrypted_content":"sealed2"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"answer 2"}],"status":"completed"},` +
		`{"type":"message","role":"user","content":[{"type":"input_text","text":"third"}]}]`
	if !strings.Contains(string(req.Body), want) {
		t.Errorf("sent %s\nwant %s", req.Body, want)
	}
	turn(t, r, 4, `"other"`, "resp_1") // a fork
}

// The AI SDK's default: references to all of the last answer.
func TestReferencesAreReplaced(t *testing.T) {
	r := NewMemory(1<<20, time.Hour).For("key")
	turn(t, r, 1, `"first"`, "")
	req := turn(t, r, 2, `[{"role":"user","content":"first"},{"type":"item_reference","id":"rs_1"},{"type":"item_reference","id":"msg_1"},{"role":"user","content":"second"}]`, "")
	if !strings.Contains(string(req.Body), `{"type":"reasoning","summary":[],"encrypted_content":"sealed1"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"answer 1"}]`) || len(req.Dropped) > 0 {
		t.Errorf("sent %s, dropped %v", req.Body, req.Dropped)
	}
}

// Each key has a memory of its own, store:false leaves nothing behind, and so does chat.
func TestWhatIsNotRemembered(t *testing.T) {
	m := NewMemory(1<<20, time.Hour)
	turn(t, m.For("a"), 1, `"first"`, "")
	ask := func(r *Recall) error {
		_, err := ParseResponses([]byte(responses(`,"previous_response_id":"resp_1"`)), Context{Recall: r})
		return err
	}
	if err := ask(m.For("a")); err != nil {
		t.Error(err)
	}
	wantError(t, ask(m.For("b")), 400, "previous_response_id", "previous_response_not_found")
	wantError(t, ask(NewMemory(0, time.Hour).For("a")), 400, "previous_response_id", "previous_response_not_found")

	other := NewMemory(1<<20, time.Hour)
	for _, api := range []API{ChatCompletions, Compact} {
		req := accepted(t, api, map[API]string{ChatCompletions: chat(""), Compact: responses("")}[api])
		other.For("a").Remember(req, "resp_1", raws(`{"id":"msg_1","type":"message"}`))
	}
	req := accepted(t, Responses, responses(`,"store":false`))
	other.For("a").Remember(req, "resp_1", raws(`{"id":"msg_1","type":"message"}`))
	if other.bytes != 0 || len(other.known) != 0 {
		t.Errorf("%d bytes and %d names are kept", other.bytes, len(other.known))
	}
}

// The memory holds its bounds, and forgets whole conversations from their ends.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 64 << 10
	m := NewMemory(limit, time.Hour)
	previous := ""
	for i := range 200 {
		turn(t, m.For(fmt.Sprint(i%7)), i, `"`+strings.Repeat("x", 1000)+`"`, "")
		if m.bytes > limit {
			t.Fatalf("%d bytes of %d", m.bytes, limit)
		}
	}
	r := m.For("long")
	for i := range 20 {
		turn(t, r, i, `"next"`, previous)
		previous = fmt.Sprintf("resp_%d", i)
		turn(t, m.For("busy"), i, `"`+strings.Repeat("x", 5000)+`"`, "") // pushes others out
	}
	for range 30 {
		turn(t, m.For("busy"), 1, `"`+strings.Repeat("x", 6000)+`"`, "")
	}
	sum := int64(0)
	for e := m.order.Front(); e != nil; e = e.Next() {
		a := e.Value.(*answer)
		sum += a.bytes
		if a.previous != nil && a.previous.place == nil {
			t.Error("the beginning of a conversation was forgotten before its end")
		}
	}
	if sum != m.bytes || m.bytes > limit {
		t.Errorf("%d bytes are counted, %d are kept, %d are allowed", m.bytes, sum, limit)
	}
	if turn(t, r, 50, `"`+strings.Repeat("x", limit)+`"`, ""); m.bytes > limit {
		t.Errorf("an answer larger than the memory is kept")
	}
}

// What is old is forgotten, also by itself; what is used stays.
func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(1<<20, time.Hour)
		turn(t, m.For("k"), 1, `"first"`, "")
		time.Sleep(50 * time.Minute)
		turn(t, m.For("k"), 2, `"second"`, "resp_1")
		time.Sleep(50 * time.Minute)
		if _, ok := m.For("k").response("resp_1"); !ok {
			t.Error("what was used is forgotten")
		}
		time.Sleep(61 * time.Minute)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.bytes != 0 || len(m.known) != 0 || m.order.Len() != 0 {
			t.Errorf("after its time %d bytes are left", m.bytes)
		}
	})
}

// What waits for its answer counts, in place of what is oldest, until its request
// has ended; where there is no room for it, nothing is remembered.
func TestMemoryCountsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(4<<10, time.Hour)
		turn(t, m.For("k"), 1, `"first"`, "")
		kept := m.bytes
		ask := func(size int) (*Request, func()) {
			req, err := ParseResponses([]byte(`{"model":"gpt-5.5","input":"`+strings.Repeat("x", size)+`"}`), Context{Models: testModels(), Recall: m.For("k")})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			m.For("k").await(ctx, req)
			return req, func() { cancel(); synctest.Wait() }
		}
		small, ended := ask(100)
		if m.bytes <= kept || m.pending != m.bytes-kept || len(small.input) != 1 {
			t.Errorf("%d of %d bytes wait", m.pending, m.bytes)
		}
		large, largeEnded := ask(3000)
		if m.bytes != m.pending || m.bytes > m.limit || len(large.input) != 1 {
			t.Errorf("%d of %d bytes wait", m.pending, m.bytes)
		}
		if none, _ := ask(3000); none.input != nil || none.stored {
			t.Error("it waits where there is no room")
		}
		ended()
		largeEnded()
		if m.bytes != 0 || m.pending != 0 {
			t.Errorf("%d bytes, %d wait", m.bytes, m.pending)
		}
		var nothing *Memory
		nothing.For("k").await(t.Context(), small)
		if small.input != nil {
			t.Error("without a memory the input is held all the same")
		}
	})
}
