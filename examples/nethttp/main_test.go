package main

import (
	"strings"
	"testing"

	"codexauth/examples/internal/try"
)

func TestNetHTTP(t *testing.T) {
	m, srv := try.SignedIn(t)
	var answer strings.Builder
	err := ask(t.Context(), m.Client(), srv.BackendURL(), "gpt-sandbox", "Say this, piece by piece, please", &answer)
	if err != nil || !strings.Contains(answer.String(), "piece by piece") {
		t.Errorf("%q, %v", answer.String(), err)
	}
	if err := ask(t.Context(), m.Client(), srv.BackendURL()+"/elsewhere", "gpt-sandbox", "x", &answer); err == nil {
		t.Error("an answer from nowhere")
	}
}
