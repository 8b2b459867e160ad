package main

import (
	"errors"
	"strings"
	"testing"

	sdk "github.com/sashabaranov/go-openai"

	"codexauth/examples/internal/try"
)

const model = "gpt-5.5"

func TestGoOpenAI(t *testing.T) {
	m, srv := try.SignedIn(t)
	c := newClient(m)
	if got, err := answer(t.Context(), c, model, "plain words"); err != nil || !strings.Contains(got, "plain words") {
		t.Errorf("%q, %v", got, err)
	}
	srv.ExpireAccessTokens() // the Manager recovers beneath it
	var streamed strings.Builder
	if err := stream(t.Context(), c, model, "streamed words", &streamed); err != nil || !strings.Contains(streamed.String(), "streamed words") {
		t.Errorf("%q, %v", streamed.String(), err)
	}
	asked := ""
	got, err := withTool(t.Context(), c, model, `sandbox: tool get_weather {"city":"Rome"}; next; text It is warm`, func(arguments string) string {
		asked = arguments
		return "30 degrees"
	})
	if err != nil || got != "It is warm" || asked != `{"city":"Rome"}` {
		t.Errorf("%q, %q, %v", asked, got, err)
	}
}

// A usage limit is the SDK's own error, at the first request; an answer that is cut
// off is never taken for whole.
func TestGoOpenAIErrors(t *testing.T) {
	m, srv := try.SignedIn(t)
	c := newClient(m)
	answer(t.Context(), c, model, "x")
	before := srv.Counters().BackendRequests
	_, err := answer(t.Context(), c, model, "sandbox: limit 3600")
	var refused *sdk.APIError
	if !errors.As(err, &refused) || refused.HTTPStatusCode != 429 || refused.Code != "usage_limit_reached" {
		t.Errorf("%v", err)
	}
	if n := srv.Counters().BackendRequests - before; n != 1 {
		t.Errorf("%d requests", n)
	}
	var streamed strings.Builder
	if err := stream(t.Context(), c, model, "sandbox: text half of it; cut", &streamed); err == nil || !strings.Contains(streamed.String(), "half of it") {
		t.Errorf("%q, %v", streamed.String(), err)
	}
}
