package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A Model is one of those that the backend lists and takes. What it does not
// name, it does not take: no efforts means that reasoning.effort is refused.
type Model struct {
	Slug          string   `json:"slug"`
	Hidden        bool     `json:"hidden,omitempty"`         // taken, but not meant for a list to choose from
	NotInAPI      bool     `json:"not_in_api,omitempty"`     // supported_in_api is false
	Efforts       []string `json:"efforts,omitempty"`        // reasoning.effort
	DefaultEffort string   `json:"default_effort,omitempty"` // what holds when the request names none
	Summary       bool     `json:"summary,omitempty"`        // takes reasoning.summary
	Verbosity     []string `json:"verbosity,omitempty"`      // text.verbosity
	Modalities    []string `json:"modalities,omitempty"`     // text, image
	Tiers         []string `json:"tiers,omitempty"`          // service_tier
	Lite          bool     `json:"lite,omitempty"`           // may be asked in the short dialect of the official CLI
	DoneOnly      bool     `json:"done_only,omitempty"`      // sends the arguments of tools without deltas
	Context       int      `json:"context_window,omitempty"` // in tokens
}

// DefaultModels are the models of a new sandbox: gpt-sandbox, which takes
// everything, what the official CLI 0.169 asks for unless it is told otherwise, and
// what the service listed in August 2026.
func DefaultModels() []Model {
	var (
		four  = []string{"low", "medium", "high", "xhigh"}
		five  = append(slices.Clone(four), "max")
		six   = append(slices.Clone(five), "ultra")
		three = []string{"low", "medium", "high"}
		both  = []string{"text", "image"}
		fast  = []string{"priority"}
	)
	const window = 272_000
	full := func(slug, effort string, efforts []string, lite bool) Model {
		return Model{Slug: slug, Efforts: efforts, DefaultEffort: effort, Summary: true, Verbosity: three, Modalities: both, Tiers: fast, Lite: lite, Context: window}
	}
	mini := full("gpt-5.4-mini", "medium", four, false)
	mini.Tiers = nil
	review := full("codex-auto-review", "medium", five, true)
	review.Hidden = true
	return []Model{
		full("gpt-sandbox", "medium", four, true),
		full("gpt-5.6-sol", "low", six, true),
		full("gpt-5.6-terra", "medium", six, true),
		full("gpt-5.6-luna", "medium", five, true),
		full("gpt-5.5", "medium", four, false),
		full("gpt-5.4", "medium", four, false),
		mini,
		{Slug: "gpt-5.3-codex-spark", NotInAPI: true, Efforts: four, DefaultEffort: "high", Verbosity: three, Modalities: []string{"text"}, DoneOnly: true, Context: 128_000},
		full("gpt-6.1-sol", "low", six, true),
		review,
	}
}

// SetModels replaces the models; none at all are [DefaultModels]. On an error it
// changes nothing.
func (s *Server) SetModels(models ...Model) error {
	seen := map[string]bool{}
	for _, m := range models {
		switch {
		case m.Slug == "":
			return errors.New("sandbox: a model has no slug")
		case seen[m.Slug]:
			return fmt.Errorf("sandbox: model %s is repeated", m.Slug)
		}
		seen[m.Slug] = true
	}
	if len(models) == 0 {
		models = DefaultModels()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models = slices.Clone(models)
	return nil
}

// Models are those in force; see [Server.SetModels].
func (s *Server) Models() []Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.models)
}

// handleModels answers in one body what the official CLI wants (models) and what
// the OpenAI SDKs want (data), or 304 to who has it already.
func (s *Server) handleModels(w http.ResponseWriter, r *http.Request, _ backendCall) {
	var list, data []any
	for i, m := range s.Models() {
		list = append(list, m.listed(i))
		if !m.Hidden {
			data = append(data, map[string]any{"id": m.Slug, "object": "model", "created": 1735689600, "owned_by": "sandbox"})
		}
	}
	body := map[string]any{"models": list, "object": "list", "data": data}
	text, err := json.Marshal(body)
	if err != nil { // strings, numbers and booleans: it can't be
		http.Error(w, "the list of models can't be written", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(text)
	tag := `W/"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if hasTag(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// hasTag compares weakly, as RFC 9110 §13.1.2 says.
func hasTag(headers []string, tag string) bool {
	weak := func(t string) string { return strings.TrimPrefix(strings.TrimSpace(t), "W/") }
	for t := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if weak(t) == weak(tag) || weak(t) == "*" {
			return true
		}
	}
	return false
}

// listed is a model as the backend lists it.
func (m Model) listed(place int) map[string]any {
	efforts, tiers, speeds := []any{}, []any{}, []string{}
	for _, e := range m.Efforts {
		efforts = append(efforts, map[string]any{"effort": e, "description": "Effort " + e})
	}
	for _, t := range m.Tiers {
		tiers = append(tiers, map[string]any{"id": t, "name": t, "description": "Tier " + t})
		if t == "priority" {
			speeds = append(speeds, "fast")
		}
	}
	return map[string]any{
		"slug": m.Slug, "display_name": m.Slug, "description": "A stand-in that echoes what it is told.",
		"default_reasoning_level": orNull(m.DefaultEffort), "supported_reasoning_levels": efforts,
		"supports_reasoning_summaries": m.Summary, "supports_reasoning_summary_parameter": m.Summary, "default_reasoning_summary": "none",
		"support_verbosity": len(m.Verbosity) > 0, "default_verbosity": first(m.Verbosity),
		"input_modalities": orEmpty(m.Modalities), "supports_image_detail_original": slices.Contains(m.Modalities, "image"),
		"service_tiers": tiers, "additional_speed_tiers": speeds, "default_service_tier": nil,
		"use_responses_lite": m.Lite, "visibility": m.visibility(), "supported_in_api": !m.NotInAPI,
		"shell_type": "shell_command", "priority": place + 1, "availability_nux": nil, "upgrade": nil, "base_instructions": "Echo.",
		"apply_patch_tool_type": nil, "truncation_policy": map[string]any{"mode": "bytes", "limit": 10000},
		"supports_parallel_tool_calls": true, "context_window": m.Context, "max_context_window": m.Context, "experimental_supported_tools": []string{},
	}
}

func (m Model) visibility() string {
	if m.Hidden {
		return "hide"
	}
	return "list"
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func first(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func orEmpty(list []string) []string { return append([]string{}, list...) }
