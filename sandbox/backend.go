package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// maxPrompt bounds the body of a request to the backend; agents send long ones.
const maxPrompt = 32 << 20

func (s *Server) backendRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /backend-api/codex/responses", s.backend(s.handleResponses))
	mux.HandleFunc("GET /backend-api/codex/responses", s.backend(s.handleUpgrade))
	mux.HandleFunc("GET /backend-api/codex/models", s.backend(s.handleModels))
	mux.HandleFunc("GET /backend-api/wham/usage", s.backend(s.handleUsage))
}

// A backendCall is a request whose bearer was accepted.
type backendCall struct {
	user   User
	body   []byte
	faults hits
}

// backend reads the body, plays the faults and checks who asks.
func (s *Server) backend(next func(http.ResponseWriter, *http.Request, backendCall)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.count(func(c *Counters) { c.BackendRequests++ })
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPrompt))
		if err != nil {
			writeRefusal(w, badRequest("the body is longer than %d bytes, or broke off", maxPrompt))
			return
		}
		faults := s.meet(atBackend, "")
		if s.interrupt(w, r, faults) {
			return
		}
		user, why := s.authenticate(r)
		if why != "" {
			s.unauthorized(w, "token_expired", why)
			return
		}
		if user.FedRAMP && r.Header.Get("x-openai-fedramp") != "true" {
			writeRefusal(w, &refusal{status: 403, code: "fedramp_required", message: "This account needs the header x-openai-fedramp: true."})
			return
		}
		quota(w.Header(), user, faults)
		next(w, r, backendCall{user: user, body: body, faults: faults})
	}
}

// authenticate checks bearer and account id, and says why they are refused.
func (s *Server) authenticate(r *http.Request) (user User, why string) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return user, "There is no bearer token in the request."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.vault.access[token]
	switch {
	case !ok:
		return user, "The access token was not issued by this sandbox."
	case !s.now().Before(t.expires):
		return user, "The access token has expired."
	case t.epoch != s.vault.epoch:
		return user, "The access token was made to expire."
	case t.login.revoked:
		return user, "The login of this access token was revoked."
	case r.Header.Get("chatgpt-account-id") != t.account:
		return user, "The header chatgpt-account-id is missing or is not the account of the access token."
	}
	return t.login.user, ""
}

func (s *Server) unauthorized(w http.ResponseWriter, code, message string) {
	s.count(func(c *Counters) { c.BackendUnauthorized++ })
	writeRefusal(w, &refusal{status: http.StatusUnauthorized, code: code, message: message})
}

// handleModels answers in one body what the official CLI wants (models) and what
// the OpenAI SDKs want (data).
func (s *Server) handleModels(w http.ResponseWriter, _ *http.Request, _ backendCall) {
	const id = "gpt-sandbox"
	model := map[string]any{
		"slug": id, "display_name": "Sandbox", "description": "Echoes what it is told.",
		"default_reasoning_level":    "medium",
		"supported_reasoning_levels": []map[string]any{{"effort": "medium", "description": "the only one"}},
		"shell_type":                 "shell_command", "visibility": "list", "supported_in_api": true, "priority": 1,
		"availability_nux": nil, "upgrade": nil, "base_instructions": "Echo.",
		"supports_reasoning_summaries": false, "support_verbosity": false, "default_verbosity": nil,
		"apply_patch_tool_type": nil, "truncation_policy": map[string]any{"mode": "bytes", "limit": 10000},
		"supports_parallel_tool_calls": false, "context_window": 128000, "experimental_supported_tools": []string{},
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"models": []any{model},
		"object": "list",
		"data":   []any{map[string]any{"id": id, "object": "model", "created": 1735689600, "owned_by": "sandbox"}},
	})
}

// checkPrompt refuses what the backend refuses, and names the field.
func checkPrompt(body []byte) (prompt map[string]any, field, message string) {
	if err := json.Unmarshal(body, &prompt); err != nil || prompt == nil {
		return nil, "", "The body is not a JSON object."
	}
	return checkFields(prompt)
}

func checkFields(prompt map[string]any) (_ map[string]any, field, message string) {
	for _, name := range []string{"max_output_tokens", "max_completion_tokens", "safety_identifier", "prompt_cache_retention", "previous_response_id"} {
		if _, given := prompt[name]; given {
			return nil, name, "Unsupported parameter: " + name
		}
	}
	if model, ok := prompt["model"].(string); !ok || model == "" {
		return nil, "model", "Model must be a string"
	}
	if _, ok := prompt["input"].([]any); !ok {
		return nil, "input", "Input must be a list"
	}
	if store, ok := prompt["store"].(bool); !ok || store {
		return nil, "store", "Store must be set to false"
	}
	if stream, ok := prompt["stream"].(bool); !ok || !stream {
		return nil, "stream", "Stream must be set to true"
	}
	return prompt, "", ""
}
