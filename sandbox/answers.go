package sandbox

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// maxQueue bounds the answers that wait.
const maxQueue = 10_000

// QueueAnswers puts scripts into the queue of answers: each is the answer to one
// request to …/responses, whatever it asks. docs/sandbox.md has the language. On
// an error it changes nothing.
func (s *Server) QueueAnswers(scripts ...string) error {
	var turns []turn
	for _, script := range scripts {
		parsed, err := parseScript(script)
		if err != nil {
			return err
		}
		if len(parsed) > 1 {
			return errors.New("sandbox script: next has no place in the queue; queue one script for each answer")
		}
		turns = append(turns, parsed[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue)+len(turns) > maxQueue {
		return errors.New("sandbox: too many answers wait in the queue")
	}
	s.queue = append(s.queue, turns...)
	return nil
}

// ClearAnswers empties the queue of answers.
func (s *Server) ClearAnswers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}

// SetDefaultAnswer says what is answered when the queue is empty and the prompt
// holds no script; "" is to echo the user.
func (s *Server) SetDefaultAnswer(script string) error {
	turns, err := parseScript(script)
	if err != nil {
		return err
	}
	if strings.TrimSpace(script) == "" {
		turns = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.otherwise = turns
	return nil
}

// due is the answer to a prompt: from the queue, from the prompt itself, the
// default one, or what a model would do.
func (s *Server) due(p *prompt) (turn, *BodyError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		t := s.queue[0]
		s.queue = slices.Clone(s.queue[1:])
		return t, nil
	}
	said, outputs := p.lastUser()
	turns := s.otherwise
	if script, found := scriptIn(said); found {
		parsed, err := parseScript(script)
		if err != nil {
			return nil, &BodyError{Status: http.StatusBadRequest, Message: err.Error(), Param: "input", Code: "sandbox_script"}
		}
		turns = parsed
	}
	if t := turnAfter(turns, len(outputs)); t != nil {
		return t, nil
	}
	return p.natural(), nil
}

// lastUser is the text of the last message of the user, which is what an agent's
// user typed, and the outputs of tools that came after it.
func (p *prompt) lastUser() (text string, outputs []string) {
	for i := len(p.input) - 1; i >= 0; i-- {
		item := p.input[i]
		switch kind := itemType(item); {
		case kind == "function_call_output" || kind == "custom_tool_call_output":
			outputs = append(outputs, contentText(item["output"]))
		case kind == "message" && item["role"] == "user":
			if text = contentText(item["content"]); text != "" {
				slices.Reverse(outputs)
				return text, outputs
			}
		}
	}
	slices.Reverse(outputs)
	return "(nothing to echo)", outputs
}

// natural is what a model might do: think if it was told how hard, call the tool
// that it must call, quote what tools said, keep to a schema, or echo the user.
func (p *prompt) natural() turn {
	if p.fields["generate"] == false {
		return turn{}
	}
	var t turn
	if reasoning, _ := p.fields["reasoning"].(map[string]any); reasoning["effort"] != nil || reasoning["summary"] != nil {
		t = append(t, step{verb: "reasoning", text: "Thinking about what to say."})
	}
	_, outputs := p.lastUser()
	if name, forced := p.forcedTool(); forced && len(outputs) == 0 {
		return append(t, p.callOf(name))
	}
	switch {
	case strings.HasPrefix(formatType(p), "json"):
		return append(t, step{verb: "json"})
	case len(outputs) > 0:
		return append(t, step{verb: "text", text: "The tools said: " + strings.Join(outputs, "\n")})
	default:
		return append(t, step{verb: "echo"})
	}
}

func formatType(p *prompt) string {
	kind, _ := p.format()["type"].(string)
	return kind
}

// forcedTool is the tool that the request says must be called.
func (p *prompt) forcedTool() (tool map[string]any, forced bool) {
	callable := slices.DeleteFunc(p.tools(), func(t map[string]any) bool { return t["type"] != "function" && t["type"] != "custom" })
	must := p.fields["tool_choice"] == "required"
	if choice, ok := p.fields["tool_choice"].(map[string]any); ok {
		allowed := []any{choice}
		must = true
		if choice["type"] == "allowed_tools" {
			allowed, _ = choice["tools"].([]any)
			must = choice["mode"] == "required"
		}
		callable = slices.DeleteFunc(callable, func(t map[string]any) bool {
			return !slices.ContainsFunc(allowed, func(v any) bool {
				a, _ := v.(map[string]any)
				return a["name"] == t["name"] && a["type"] == t["type"]
			})
		})
	}
	if !must || len(callable) == 0 {
		return nil, false
	}
	return callable[0], true
}

// callOf calls a tool with the simplest arguments that its schema takes.
func (p *prompt) callOf(tool map[string]any) step {
	name, _ := tool["name"].(string)
	if tool["type"] == "custom" {
		said, _ := p.lastUser()
		return step{verb: "custom", name: name, text: said}
	}
	schema, _ := tool["parameters"].(map[string]any)
	return step{verb: "tool", name: name, text: fitText(schema)}
}

// contentText joins the text of a message's content: a string or a list of parts.
func contentText(content any) string {
	if text, ok := content.(string); ok {
		return text
	}
	var text strings.Builder
	parts, _ := content.([]any)
	for _, p := range parts {
		part, _ := p.(map[string]any)
		piece, _ := part["text"].(string)
		text.WriteString(piece)
	}
	return text.String()
}
