package openai

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

func TestNamesOfModels(t *testing.T) {
	for name, want := range map[string]choice{
		"gpt-5.5":              {slug: "gpt-5.5"},
		"openai/gpt-5.5":       {slug: "gpt-5.5"},
		"gpt-5.5-high":         {slug: "gpt-5.5", effort: "high"},
		"openai/gpt-5.5-xhigh": {slug: "gpt-5.5", effort: "xhigh"},
		"gpt-5.5/medium":       {slug: "gpt-5.5", effort: "medium"},
		"gpt-5.5:low":          {slug: "gpt-5.5", effort: "low"},
		"gpt-5.5(high)":        {slug: "gpt-5.5", effort: "high"},
		"gpt-5.5-fast":         {slug: "gpt-5.5", fast: true},
		"gpt-5.5-high-fast":    {slug: "gpt-5.5", effort: "high", fast: true},
		"gpt-5.6-sol-ultra":    {slug: "gpt-5.6-sol", effort: "ultra"},
		"gpt-5.4-mini":         {slug: "gpt-5.4-mini"},
		"gpt-5.4-mini-high":    {slug: "gpt-5.4-mini", effort: "high"},
		"gpt-5.5-max":          {slug: "gpt-5.5-max"}, // it has no such effort
		"gpt-5.5-high-low":     {slug: "gpt-5.5-high-low"},
		"gpt-5.5-mini":         {slug: "gpt-5.5-mini"},
		"gpt-4o":               {slug: "gpt-4o"},
		"auto":                 {slug: "auto"},
		"openai/gpt-4o":        {slug: "gpt-4o"},
		"anthropic/gpt-5.5":    {slug: "anthropic/gpt-5.5"},
		"(high)":               {slug: "(high)"},
		"-high":                {slug: "-high"},
	} {
		got := testModels().choose(name)
		known := got.known != nil
		got.known = nil
		if got != want || known != (testModels().get(want.slug) != nil) {
			t.Errorf("%s: %+v, known %v; want %+v", name, got, known, want)
		}
	}
	var none *Models
	if got := none.choose("openai/gpt-5.5-high"); got.slug != "gpt-5.5-high" || got.known != nil {
		t.Errorf("without a list: %+v", got)
	}
}

// An effort that is said wins over one in the name.
func TestEffortThatIsSaidWins(t *testing.T) {
	req := accepted(t, ChatCompletions, `{"model":"gpt-5.5-high","reasoning_effort":"low","messages":[`+hi+`]}`)
	if !bytes.Contains(req.Body, []byte(`"effort":"low"`)) || req.Model != "gpt-5.5" {
		t.Errorf("%s", req.Body)
	}
}

// One body is what the official command line reads and what SDKs read, and keeps
// what the backend said.
func TestListOfModelsIsForEveryClient(t *testing.T) {
	file, err := os.ReadFile("testdata/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Object string
		Data   []struct {
			ID, Object string
			Created    *int
			OwnedBy    string `json:"owned_by"`
			Context    int    `json:"context_window"`
		}
		Models json.RawMessage
	}
	if err := json.Unmarshal(testModels().List(), &list); err != nil {
		t.Fatal(err)
	}
	if list.Object != "list" || len(list.Data) != 4 || !bytes.Contains(file, list.Models) {
		t.Errorf("object %q, %d models that are shown", list.Object, len(list.Data))
	}
	for _, m := range list.Data {
		if m.ID == "" || m.Object != "model" || m.Created == nil || m.OwnedBy == "" || m.Context == 0 {
			t.Errorf("%+v", m)
		}
	}
	for id, ok := range map[string]bool{"gpt-5.5": true, "openai/gpt-5.5": true, "codex-auto-review": true, "gpt-4o": false, "": false} {
		body, err := testModels().One(id)
		if ok != (err == nil) || ok && !json.Valid(body) {
			t.Errorf("%s: %s, %v", id, body, err)
		}
		if !ok {
			wantError(t, err, 404, "model", "model_not_found")
		}
	}
}

func TestListsThatAreNone(t *testing.T) {
	for _, body := range []string{"", "<html>", `{}`, `{"models":{}}`, `{"models":[]}`, `{"models":[{"slug":""}, 3]}`, `[]`} {
		if m, err := ParseModels([]byte(body)); err == nil {
			t.Errorf("%s: %+v", body, m)
		}
	}
	m, err := ParseModels([]byte(`{"models":[{"slug":"a","supported_reasoning_levels":["high","low"],"context_window":"many","additional_speed_tiers":["fast"],"support_verbosity":true},{"slug":"b","supported_reasoning_levels":[]}],"data":[1],"object":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if a := m.get("a"); len(a.efforts) != 2 || a.efforts[0] != "low" || !a.priority || !a.verbosity || !json.Valid(m.List()) {
		t.Errorf("%+v", a)
	}
	req, err := ParseChat([]byte(`{"model":"b","reasoning_effort":"high","messages":[`+hi+`]}`), Context{Models: m})
	if err != nil || bytes.Contains(req.Body, []byte("effort")) || len(req.Dropped) != 1 {
		t.Errorf("a model without efforts: %s, %v, %v", req.Body, req.Dropped, err)
	}
}
