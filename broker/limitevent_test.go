package broker

import (
	"encoding/json"
	"fmt"
	"testing"
)

// What an answer says of the limits in its stream counts, on whatever route it comes:
// it is newer than what its headers said.
func TestLimitsInStreams(t *testing.T) {
	r := newRig(t, nil)
	for i, path := range []string{chatPath, responsesPath, "/backend-api/codex/responses"} {
		percent := 60 + i
		event := fmt.Sprintf(`{"type":"codex.rate_limits","rate_limits":{"primary":{"used_percent":%d,"reset_after_seconds":3600}}}`, percent)
		quoted, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		script, err := json.Marshal("sandbox: text one; event " + string(quoted))
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"model":"gpt-5.5","stream":true,"messages":[{"role":"user","content":%s}]}`, script)
		if path != chatPath {
			body = fmt.Sprintf(`{"model":"gpt-5.5","stream":true,"store":false,"instructions":"x","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":%s}]}]}`, script)
		}
		if status, text, _ := r.ask("POST", path, body); status != 200 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		_, text, _ := r.ask("GET", "/metrics", "")
		if got := scrape(t, text)[`codexauth_usage_ratio{profile="default",window="primary"}`]; got != float64(percent)/100 {
			t.Errorf("%s: %v of the window is used, want %d %%", path, got, percent)
		}
	}
}
