package monitor

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// limitsOf is what a stream tells, however it is cut into pieces.
func limitsOf(t *testing.T, stream string) []Limit {
	t.Helper()
	var told [][]Limit
	for _, pieces := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader} {
		var l Limits
		passed, err := io.ReadAll(l.Listen(io.NopCloser(pieces(strings.NewReader(stream)))))
		if err != nil || string(passed) != stream {
			t.Fatalf("the stream came as %d bytes of %d: %v", len(passed), len(stream), err)
		}
		told = append(told, l.Known(time.Now()))
	}
	for _, other := range told[1:] {
		if len(other) != len(told[0]) {
			t.Errorf("in one piece it tells %v, in others %v", told[0], other)
		}
	}
	return told[0]
}

func TestLimitsInAStream(t *testing.T) {
	const frame = "event: x\r\ndata: {\"type\":\"response.created\"}\r\n\r\n"
	event := func(more, primary string) string {
		return frame + `data: {"type":"codex.rate_limits","plan_type":"plus",` + more + `"rate_limits":{"allowed":true,"primary":` + primary + `}}` + "\n\n" + frame
	}
	good := limitsOf(t, event("", `{"used_percent":61.5,"window_minutes":300,"reset_after_seconds":3600},"secondary":{"used_percent":3}`))
	if len(good) != 2 || good[0].Used != 0.615 || time.Until(good[0].ResetsAt).Round(time.Minute) != time.Hour || good[1].Used != 0.03 {
		t.Errorf("it tells %v", good)
	}
	at := limitsOf(t, event("", fmt.Sprintf(`{"used_percent":50,"reset_at":%d}`, time.Now().Add(2*time.Hour).Unix())))
	if len(at) != 1 || time.Until(at[0].ResetsAt).Round(time.Minute) != 2*time.Hour {
		t.Errorf("of a time it tells %v", at)
	}
	at = limitsOf(t, event("", `{"used_percent":50,"reset_at":9e15}`))
	if len(at) != 1 || !at[0].ResetsAt.IsZero() {
		t.Errorf("of a reset in many years it tells %v", at)
	}
	for name, stream := range map[string]string{
		"another limit":  event(`"metered_limit_name":"codex_other",`, `{"used_percent":50}`),
		"nothing said":   event("", `{}`),
		"null":           event("", `null`),
		"no number":      event("", `{"used_percent":"50"}`),
		"below nothing":  event("", `{"used_percent":-1}`),
		"absurd":         event("", `{"used_percent":1e300}`),
		"cut off":        `data: {"type":"codex.rate_limits","rate_limits":{"primary":{"used_percent":50}}}`,
		"said by models": `data: {"type":"response.output_text.delta","delta":"\"codex.rate_limits\"","rate_limits":{"primary":{"used_percent":50}}}` + "\n\n",
		"too long":       event(`"x":"`+strings.Repeat("y", maxLimitEvent)+`",`, `{"used_percent":50}`),
	} {
		if got := limitsOf(t, stream); len(got) != 0 {
			t.Errorf("%s tells %v", name, got)
		}
	}
}
