package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxMessage bounds what is repeated of the backend's words.
const maxMessage = 2000

// BackendError puts a refusal of the backend in OpenAI's shape: its own of several
// shapes, an edge's page, or an event that says that a response failed, which has no
// status (0). The models are named to who asked for another; nil names none.
func BackendError(status int, h http.Header, body []byte, models *Models) *Error {
	said := readRefusal(body)
	e := &Error{
		Status: status, Message: said.Message, Type: said.Type, Param: said.Param, Code: string(said.Code),
		PlanType: said.PlanType, ResetsAt: int64(said.ResetsAt), ResetsIn: int64(said.ResetsIn), RetryAfter: retryAfter(h),
	}
	if len(e.Message) > maxMessage {
		e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + " …"
	}
	switch {
	case e.is("usage_limit_reached") || strings.Contains(e.Message, "usage limit has been reached"):
		e.usageLimit()
	case e.is("usage_not_included"):
		e.become(http.StatusForbidden, "usage_not_included", "usage_not_included", "The plan of this login does not include Codex.")
		e.NoRetry = true
	case e.is("server_is_overloaded", "slow_down", "overloaded_error"):
		e.become(http.StatusServiceUnavailable, "server_error", "server_is_overloaded", "The backend is overloaded.")
		if e.RetryAfter == 0 {
			e.RetryAfter = 5 * time.Second
		}
	case e.is("context_length_exceeded"):
		e.become(http.StatusBadRequest, invalidRequest, "context_length_exceeded", "The conversation is longer than the model can read.")
	case e.is("insufficient_quota"):
		e.become(http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota", "The quota of this login is used up.")
		e.NoRetry = true
	case e.is("invalid_encrypted_content") || strings.Contains(strings.ToLower(e.Message), "encrypted content") && strings.Contains(e.Message, "could not be"):
		e.foreignReasoning()
	case isUnknownModel(e.Message):
		return models.unknown(quotedName(e.Message))
	case status == http.StatusUnauthorized:
		e.become(status, "authentication_error", "login_required", "")
		e.Message = "The backend does not accept this login any more. Sign in again: codexauth login"
		e.NoRetry = true
	case status == http.StatusTooManyRequests || e.is("rate_limit_exceeded"):
		e.become(http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded", "The backend allows fewer requests in this time.")
	case strings.Contains(e.Message, "must contain the word 'json'"):
		e.become(http.StatusBadRequest, invalidRequest, "invalid_value", "")
		if e.Param == "" {
			e.Param = "input"
		}
	default:
		e.other(said.found)
	}
	return e
}

// other fills in what the backend did not say.
func (e *Error) other(found bool) {
	switch {
	case e.Status == 0 && (e.Type == invalidRequest || strings.HasPrefix(e.Code, "invalid_") || strings.HasPrefix(e.Code, "unsupported_") || e.is("cyber_policy")):
		e.Status = http.StatusBadRequest
	case e.Status < 400 || e.Status > 599:
		e.Status = http.StatusBadGateway
	}
	if !found {
		e.Message = fmt.Sprintf("The backend, or something on the way to it, answered %d with a body that is not the API's.", e.Status)
	}
	if e.Type == "" {
		if e.Type = invalidRequest; e.Status >= 500 {
			e.Type = "server_error"
		}
	}
	if e.Param == "" {
		e.Param = fieldIn(e.Message)
	}
	if e.Code == "" {
		e.Code = "upstream_rejected"
	}
}

func (e *Error) is(codes ...string) bool {
	for _, c := range codes {
		if e.Code == c || e.Type == c {
			return true
		}
	}
	return false
}

// become says which of OpenAI's errors this is; the backend's words stay, if it had any.
func (e *Error) become(status int, kind, code, message string) {
	e.Status, e.Type, e.Code = status, kind, code
	if e.Message == "" {
		e.Message = message
	}
}

// foreignReasoning says what to do about reasoning that only another login, or an
// earlier session, can open: the conversation would fail for ever. Its items carry no
// ids to the backend, so its own words name none that the client knows.
func (e *Error) foreignReasoning() {
	e.become(http.StatusBadRequest, invalidRequest, "invalid_encrypted_content", "The encrypted content could not be verified.")
	e.Message = strings.TrimRight(e.Message, ".") + ". It belongs to another login or session. Leave the reasoning items out, or begin a new conversation."
	if e.Param == "" {
		e.Param = "input"
	}
	e.NoRetry = true
}

// usageLimit says when it ends, and that asking again before that is of no use.
func (e *Error) usageLimit() {
	e.become(http.StatusTooManyRequests, "usage_limit_reached", "usage_limit_reached", "The usage limit has been reached")
	e.NoRetry = true
	left := time.Duration(e.ResetsIn) * time.Second
	if left <= 0 && e.ResetsAt > 0 {
		left = time.Until(time.Unix(e.ResetsAt, 0))
	}
	if left <= 0 {
		left = e.RetryAfter
	}
	if left <= 0 {
		return
	}
	if e.ResetsAt == 0 {
		e.ResetsAt = time.Now().Add(left).Unix()
	}
	e.RetryAfter, e.ResetsIn = left, int64((left+time.Second-1)/time.Second)
	e.Message = fmt.Sprintf("%s. It ends at %s.", strings.TrimRight(e.Message, "."), time.Unix(e.ResetsAt, 0).UTC().Format("2006-01-02 15:04:05 MST"))
}

// A refusal is what the backend says, whatever its shape.
type refusal struct {
	Message  string  `json:"message"`
	Type     string  `json:"type"`
	Param    string  `json:"param"`
	Code     code    `json:"code"`
	PlanType string  `json:"plan_type"`
	ResetsAt float64 `json:"resets_at"`
	ResetsIn float64 `json:"resets_in_seconds"`

	found bool
}

// A code is sometimes a number.
type code string

func (c *code) UnmarshalJSON(raw []byte) error {
	if s := strings.Trim(string(raw), `"`); s != "null" {
		*c = code(s)
	}
	return nil
}

func readRefusal(body []byte) (r refusal) {
	var shape struct {
		Error    json.RawMessage `json:"error"`
		Detail   json.RawMessage `json:"detail"`
		Response struct {
			Error json.RawMessage `json:"error"`
		} `json:"response"`
	}
	var typed *json.UnmarshalTypeError
	if err := json.Unmarshal(body, &shape); err != nil && !errors.As(err, &typed) {
		return r
	}
	for _, raw := range []json.RawMessage{shape.Response.Error, shape.Error, shape.Detail, body} {
		raw = bytes.TrimSpace(raw)
		if isText(raw) {
			json.Unmarshal(raw, &r.Message)
		} else if len(raw) > 0 && raw[0] == '{' {
			json.Unmarshal(raw, &r)
		} else if isList(raw) {
			r.Message = firstMessage(raw)
		}
		if r.Message != "" || r.Code != "" || (r.Type != "" && r.Type != "error") {
			r.found = true
			break
		}
	}
	if r.Type == "error" || strings.HasPrefix(r.Type, "response.") { // the type of the event
		r.Type = ""
	}
	if r.found && r.Message == "" {
		r.Message = string(r.Code)
	}
	return r
}

// firstMessage reads a list of what is wrong: [{"loc":[…],"msg":"…"}].
func firstMessage(raw json.RawMessage) string {
	var list []struct {
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return ""
	}
	return list[0].Msg
}

func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return min(time.Duration(seconds), 366*24*3600) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

func isUnknownModel(message string) bool {
	return strings.Contains(message, "model is not supported when using Codex")
}

// quotedName returns what stands in the first quotes of a sentence.
func quotedName(message string) string {
	_, rest, _ := strings.Cut(message, "'")
	name, _, ok := strings.Cut(rest, "'")
	if !ok {
		return ""
	}
	return name
}

// fieldIn finds the field in "Unsupported parameter: x" and its like.
func fieldIn(message string) string {
	for _, begin := range []string{"Unsupported parameter: ", "Unknown parameter: ", "Missing required parameter: ", "Invalid type for "} {
		rest, ok := strings.CutPrefix(message, begin)
		if !ok {
			continue
		}
		field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return nameOf(strings.Trim(field, "'\".:"))
	}
	switch {
	case strings.HasPrefix(message, "Store must"):
		return "store"
	case strings.HasPrefix(message, "Stream must"):
		return "stream"
	case strings.HasPrefix(message, "Input must"):
		return "input"
	}
	return ""
}
