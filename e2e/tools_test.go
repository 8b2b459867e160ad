package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// The OpenAI SDK for Node as it is: a list of models, answers event by event, one
// that is aborted, and a login that changes under its feet.
func TestSDK(t *testing.T) {
	eachWay(t, time.Hour, func(t *testing.T, st *stage, w rig.Way) {
		if got := sdk(t, w, "models"); !contains(got.Models, "gpt-sandbox") {
			t.Errorf("models.list says %+v", got)
		}
		talk := w.Talk(t, rig.NodeSDK(t, "chat")...)
		ask(t, talk, "the first prompt")
		first := st.cli.Stored(t).AccessToken
		st.wantSigned(t, first)

		eventByEvent(t, st, talk)
		aborted(t, st, talk)
		st.wantRefreshes(t, 0)

		// The backend takes the token no longer.
		st.sandbox.Control(t, map[string]any{"expire_access": true})
		ask(t, talk, "after a 401")
		second := st.cli.Stored(t).AccessToken
		st.wantRefreshes(t, 1)
		if c := st.sandbox.Counters(t); c["backend_unauthorized"] != 1 {
			t.Errorf("%d answers of 401, want one", c["backend_unauthorized"])
		}

		// Somebody else refreshes in the middle of an answer.
		gate := st.tap.Hold()
		talk.Say(t, "across a refresh")
		begin(t, gate, talk)
		wantCode(t, "refresh", st.cli.Run(t, "refresh"), exitDone)
		gate.Open()
		if got := answered(t, talk); got != "across a refresh" {
			t.Errorf("an answer across a refresh is %q", got)
		}
		ask(t, talk, "after a refresh")
		st.wantRefreshes(t, 2)
		st.wantSigned(t, first, second, st.cli.Stored(t).AccessToken)
		if r := talk.Close(t); r.Code != 0 {
			t.Errorf("the SDK's program: exit %d; it said %q", r.Code, r.Stderr)
		}
	})
}

// eventByEvent fails unless each event is with the tool before the next leaves
// the backend.
func eventByEvent(t *testing.T, st *stage, talk *rig.Talk) {
	t.Helper()
	gate := st.tap.Hold()
	defer gate.Open()
	talk.Say(t, "one event after the other")
	name := ""
	for n := 0; name != "response.completed"; {
		for _, name = range passToWork(t, gate) {
			if said := hear(t, talk); said.Event != name {
				t.Fatalf("the backend sent %s, and the tool got %+v", name, said)
			}
			n++
		}
		if name == "response.completed" && n < 8 {
			t.Errorf("the answer has %d events only", n)
		}
	}
	if got := answered(t, talk); got != "one event after the other" {
		t.Errorf("the answer is %q", got)
	}
}

// aborted fails unless an answer that the tool gives up ends at the backend, too.
func aborted(t *testing.T, st *stage, talk *rig.Talk) {
	t.Helper()
	st.tap.Forget()
	gate := st.tap.Hold()
	defer gate.Open()
	talk.Say(t, "to be given up")
	begin(t, gate, talk)
	talk.Say(t, "")
	seen := st.tap.Seen()
	if len(seen) != 1 {
		t.Fatalf("the backend has seen %d requests, want one", len(seen))
	}
	select {
	case <-seen[0].Ended:
	case <-time.After(10 * time.Second):
		t.Fatal("10 s after it was given up, the answer is still under way at the backend")
	}
	if !seen[0].Cut() {
		t.Error("the answer ended by itself")
	}
	if said := hear(t, talk); !said.Aborted && (said.Error == nil || said.Error.Class != "APIUserAbortError") {
		t.Errorf("after an abort, the SDK says %+v", said)
	}
	gate.Open()
	ask(t, talk, "after an abort")
}

// What the backend takes no field for is done without, or is the SDK's own error
// that names the field, and then nothing comes to the backend.
func TestSDKFields(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	w := st.ways()["serve"](t)
	for _, c := range []struct {
		field   string
		value   any
		refused bool
	}{
		{"input", "a string", false},
		{"max_output_tokens", 100, false},
		{"safety_identifier", "x", false},
		{"prompt_cache_retention", "24h", false},
		{"store", true, false},
		{"previous_response_id", "resp_1", true},
		{"background", true, true},
	} {
		t.Run(c.field, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{c.field: c.value})
			if err != nil {
				t.Fatal(err)
			}
			st.tap.Forget()
			said := sdk(t, w, "create", string(body))
			e, asked := said.Error, 0
			for _, r := range st.tap.Seen() {
				if r.Path == "/responses" {
					asked++
				}
			}
			switch {
			case !c.refused && (e != nil || !said.Stream || asked != 1):
				t.Errorf("after %d requests at the backend, the SDK says %+v %+v", asked, said, e)
			case c.refused && (e == nil || e.Class != "BadRequestError" || e.Status != http.StatusBadRequest || e.Param != c.field || asked != 0):
				t.Errorf("after %d requests at the backend, the SDK reports %+v", asked, e)
			}
		})
	}
}

// What goes wrong between the SDK and the backend is the SDK's own error for it,
// and is repeated only where that can help.
func TestSDKErrors(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	key := st.cli.AddKey(t, "good")
	server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
	good := server.ThroughServe("good", key)
	ask := func(t *testing.T, w rig.Way) (rig.SDKError, int, int) {
		t.Helper()
		asked, passed := len(server.Lines()), len(st.tap.Seen())
		e := sdk(t, w, "create", "{}").Error
		if e == nil {
			t.Fatal("the SDK reports no error")
		}
		if rig.HoldsAny(e.Message, key, st.cli.Stored(t).AccessToken) {
			t.Error("the SDK's error shows a secret")
		}
		return *e, len(server.Lines()) - asked, len(st.tap.Seen()) - passed
	}
	want := func(t *testing.T, w rig.Way, class, code string, requests, passed int) {
		t.Helper()
		e, n, m := ask(t, w)
		if e.Class != class || code != "" && e.Code != code || n != requests || m != passed {
			t.Errorf("the SDK reports %+v after %d requests, %d of them at the backend; want %s, %q after %d and %d", e, n, m, class, code, requests, passed)
		}
	}
	if said := sdk(t, good, "create", "{}"); said.Error != nil || !said.Stream {
		t.Fatalf("with a good key, the SDK says %+v", said)
	}
	// A server looks for new keys and for revoked ones once a second.
	heeded := func(t *testing.T, w rig.Way, good bool) {
		t.Helper()
		await(t, "the change of keys to be heeded", func() bool { return (sdk(t, w, "models").Error == nil) == good })
	}
	t.Run("unknown key", func(t *testing.T) {
		want(t, server.ThroughServe("", "codexauth_not_a_key"), "AuthenticationError", "unauthorized", 1, 0)
	})
	t.Run("the access token as key", func(t *testing.T) {
		want(t, server.ThroughServe("", st.cli.Stored(t).AccessToken), "AuthenticationError", "unauthorized", 1, 0)
	})
	t.Run("revoked key", func(t *testing.T) {
		revoked := server.ThroughServe("", st.cli.AddKey(t, "revoked"))
		heeded(t, revoked, true)
		wantCode(t, "serve key revoke", st.cli.Run(t, "serve", "key", "revoke", "revoked"), exitDone)
		heeded(t, revoked, false)
		want(t, revoked, "AuthenticationError", "unauthorized", 1, 0)
	})
	t.Run("revoked in the middle of an answer", func(t *testing.T) {
		w := server.ThroughServe("", st.cli.AddKey(t, "cut"))
		heeded(t, w, true)
		gate := st.tap.Hold()
		defer gate.Open()
		talk := w.Talk(t, rig.NodeSDK(t, "chat")...)
		talk.Say(t, "to be cut")
		begin(t, gate, talk)
		wantCode(t, "serve key revoke", st.cli.Run(t, "serve", "key", "revoke", "cut"), exitDone)
		if said := hear(t, talk); said.Error == nil {
			t.Errorf("after its key was revoked, the SDK says %+v", said)
		}
		seen := st.tap.Seen()
		<-seen[len(seen)-1].Ended
	})
	t.Run("overloaded", func(t *testing.T) {
		st.sandbox.Control(t, map[string]any{"faults": []string{"backend-status=429*3"}})
		want(t, good, "RateLimitError", "", 3, 3) // that the SDK repeats it twice is its own doing
	})
	t.Run("broken", func(t *testing.T) {
		st.sandbox.Control(t, map[string]any{"faults": []string{"backend-status=503*3"}})
		want(t, good, "InternalServerError", "", 3, 3)
	})
	t.Run("a passing failure", func(t *testing.T) {
		st.sandbox.Control(t, map[string]any{"faults": []string{"backend-status=503*1"}})
		if said := sdk(t, good, "create", "{}"); said.Error != nil {
			t.Errorf("the SDK says %+v", said)
		}
	})
	t.Run("signed out", func(t *testing.T) {
		// The first to meet the revoked token is told so in the backend's own words.
		wantCode(t, "logout", st.cli.Run(t, "logout"), exitDone)
		want(t, good, "AuthenticationError", "", 1, 1)
		want(t, good, "InternalServerError", "signed_out", 1, 0)
	})
}
