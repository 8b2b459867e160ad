package openai

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What the backend refuses comes in OpenAI's shape, with what makes SDKs do right.
func TestBackendErrors(t *testing.T) {
	limit := `{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_at":946688400,"resets_in_seconds":3600}}`
	for name, tt := range map[string]struct {
		status            int
		header, body      string
		want              int
		kind, code, param string
		retry             int
		noRetry           bool
	}{
		"usage limit":           {429, "", limit, 429, "usage_limit_reached", "usage_limit_reached", "", 3600, true},
		"usage limit as 404":    {404, "", limit, 429, "usage_limit_reached", "usage_limit_reached", "", 3600, true},
		"usage limit in stream": {0, "", `{"type":"response.failed","response":{"error":{"code":"usage_limit_reached","message":"m","resets_in_seconds":60}}}`, 429, "usage_limit_reached", "usage_limit_reached", "", 60, true},
		"burst":                 {429, "7", `{"error":{"message":"slow"}}`, 429, "rate_limit_error", "rate_limit_exceeded", "", 7, false},
		"burst by date":         {429, "Sat, 01 Jan 2000 00:00:30 GMT", ``, 429, "rate_limit_error", "rate_limit_exceeded", "", 30, false},
		"overload":              {503, "", `{"error":{"code":"server_is_overloaded","message":"m"}}`, 503, "server_error", "server_is_overloaded", "", 5, false},
		"overload in stream":    {0, "", `{"type":"error","error":{"code":"slow_down","message":"m"}}`, 503, "server_error", "server_is_overloaded", "", 5, false},
		"overload, flat event":  {0, "", `{"type":"error","code":"server_is_overloaded","message":"m"}`, 503, "server_error", "server_is_overloaded", "", 5, false},
		"login gone":            {401, "", `{"detail":"Unauthorized"}`, 401, "authentication_error", "login_required", "", 0, true},
		"plan":                  {403, "", `{"error":{"type":"usage_not_included"}}`, 403, "usage_not_included", "usage_not_included", "", 0, true},
		"context":               {0, "", `{"response":{"error":{"code":"context_length_exceeded","message":"m"}}}`, 400, "invalid_request_error", "context_length_exceeded", "", 0, false},
		"detail":                {400, "", `{"detail":"Unsupported parameter: seed"}`, 400, "invalid_request_error", "upstream_rejected", "seed", 0, false},
		"detail of items":       {400, "", `{"detail":"Unknown parameter: 'input[0].name'."}`, 400, "invalid_request_error", "upstream_rejected", "input[0].name", 0, false},
		"list of details":       {422, "", `{"detail":[{"loc":["body"],"msg":"field required"}]}`, 422, "invalid_request_error", "upstream_rejected", "", 0, false},
		"schema":                {400, "", `{"error":{"message":"Invalid schema","type":"invalid_request_error","param":"tools[0].parameters","code":"invalid_function_parameters"}}`, 400, "invalid_request_error", "invalid_function_parameters", "tools[0].parameters", 0, false},
		"word json":             {400, "", `{"error":{"message":"Response input messages must contain the word 'json' in some form","type":"invalid_request_error","param":"input","code":null}}`, 400, "invalid_request_error", "invalid_value", "input", 0, false},
		"codex#8119, vekil#231: content of another session": {400, "", `{"error":{"message":"The encrypted content gAAA... could not be verified. Reason: Encrypted content could not be decrypted or parsed.","type":"invalid_request_error","param":null,"code":"invalid_encrypted_content"}}`, 400, "invalid_request_error", "invalid_encrypted_content", "input", 0, true},
		"opencodex#2269: the same without a code":           {400, "", `{"error":{"message":"The encrypted content gAAA... could not be verified.","type":"invalid_request_error","param":null,"code":null}}`, 400, "invalid_request_error", "invalid_encrypted_content", "input", 0, true},
		"the same in the stream":                            {0, "", `{"type":"error","error":{"code":"invalid_encrypted_content","message":"m"}}`, 400, "invalid_request_error", "invalid_encrypted_content", "input", 0, true},
		"unknown model":                                     {400, "", `{"detail":"The 'gpt-4o' model is not supported when using Codex with a ChatGPT account."}`, 404, "invalid_request_error", "model_not_found", "model", 0, true},
		"HTML of an edge":                                   {403, "", "<html>no</html>", 403, "invalid_request_error", "upstream_rejected", "", 0, false},
		"HTML of a gateway":                                 {502, "", "<html>no</html>", 502, "server_error", "upstream_rejected", "", 0, false},
		"nothing":                                           {500, "", "", 500, "server_error", "upstream_rejected", "", 0, false},
		"code that is a number":                             {500, "", `{"error":{"code":17,"message":"m"}}`, 500, "server_error", "17", "", 0, false},
		"error that is a text":                              {400, "", `{"error":"no"}`, 400, "invalid_request_error", "upstream_rejected", "", 0, false},
		"event of another error":                            {0, "", `{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}`, 502, "server_error", "server_error", "", 0, false},
		"event of bad input":                                {0, "", `{"type":"error","error":{"code":"invalid_prompt","message":"m"}}`, 400, "invalid_request_error", "invalid_prompt", "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is 2000-01-01 00:00:00
				h := http.Header{}
				if tt.header != "" {
					h.Set("Retry-After", tt.header)
				}
				e := BackendError(tt.status, h, []byte(tt.body), testModels())
				if e.Status != tt.want || e.Type != tt.kind || e.Code != tt.code || e.Param != tt.param || e.RetryAfter != time.Duration(tt.retry)*time.Second || e.NoRetry != tt.noRetry || e.Message == "" {
					t.Errorf("%+v", e)
				}
				checkShape(t, e)
				if strings.Contains(e.Message, "<html>") {
					t.Error("a page is passed on")
				}
			})
		})
	}
	e := BackendError(429, nil, []byte(limit), nil)
	if !strings.Contains(string(e.body()), `"plan_type":"plus","resets_at":946688400`) || !strings.Contains(e.Message, "2000-01-01 01:00:00 UTC") {
		t.Errorf("%s", e.body())
	}
	if e := BackendError(400, nil, []byte(`{"detail":"The 'x' model is not supported when using Codex with a ChatGPT account."}`), testModels()); !strings.Contains(e.Message, "gpt-5.6-sol, gpt-5.5") || !strings.Contains(e.Message, "'x'") {
		t.Error(e)
	}
}

// checkShape wants an error as SDKs read it: code and type are texts, param a text or null.
func checkShape(t *testing.T, e *Error) {
	t.Helper()
	var shape struct{ Error map[string]any }
	if err := json.Unmarshal(e.body(), &shape); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"message", "type", "code"} {
		if s, ok := shape.Error[key].(string); !ok || s == "" {
			t.Errorf("%s is %v", key, shape.Error[key])
		}
	}
	if _, given := shape.Error["param"]; !given {
		t.Error("param is absent")
	}
	h := http.Header{}
	e.headers(h)
	if h.Get("Content-Type") != "application/json" || (h.Get("X-Should-Retry") == "false") != e.NoRetry || (h.Get("Retry-After") != "") != (e.RetryAfter > 0) {
		t.Errorf("headers %v", h)
	}
}
