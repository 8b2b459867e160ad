package openai

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// Bodies that are no requests are refused, in OpenAI's shape.
func TestBodiesThatAreNoRequests(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)
	for name, tt := range map[string]struct{ body, param, code string }{
		"empty":           {"", "", "invalid_json"},
		"no JSON":         {"model=gpt", "", "invalid_json"},
		"cut off":         {`{"model":"gpt-5.5","messages":[{"role":"user"`, "", "invalid_json"},
		"two":             {chat("") + chat(""), "", "invalid_json"},
		"a list":          {`[1]`, "", "invalid_json"},
		"null":            {`null`, "", "invalid_json"},
		"not UTF-8":       {chat(`,"user":"` + "\xff" + `"`), "", "invalid_json"},
		"too deep":        {chat(`,"x":` + deep), "", "invalid_json"},
		"field twice":     {chat(`,"model":"gpt-5.4"`), "model", "duplicate_key"},
		"escaped twice":   {chat(`,"mod\u0065l":"gpt-5.4"`), "model", "duplicate_key"},
		"twice in a part": {messages(`{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}`), "messages[0].content[0].text", "duplicate_key"},
		"half a pair":     {messages(`{"role":"\ud800","content":"a"}`), "messages[0].role", "invalid_value"},
		"model twenty":    {`{"model":20,"messages":[]}`, "model", "invalid_type"},
		"message a text":  {messages(`"hi"`), "messages[0]", "invalid_type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseChat([]byte(tt.body), Context{Models: testModels()})
			wantError(t, err, 400, tt.param, tt.code)
			if strings.Contains(err.Error(), "gpt") {
				t.Errorf("the message quotes the body: %v", err)
			}
		})
	}
}

// What passes keeps its bytes: halves of surrogate pairs, numbers that no float
// holds, the order of keys, escapes, and a thousand levels.
func TestBytesAreKept(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 500) + strings.Repeat(`]}`, 500)
	odd := `"\ud800 \u00e9 \/ <&> \u2028 \\u` + "\u2028" + `"`
	schema := `{"type":"object","properties":{"z":{"const":123456789012345678901234567890.10},"a":` + deep + `}, "title":` + odd + `}`
	for api, body := range map[API]string{
		ChatCompletions: `{"model":"gpt-5.5","messages":[{"role":"user","content":` + odd + `},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":` + odd + `}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":` + odd + `},{"type":"text","text":` + odd + `}]}],"tools":[{"type":"function","function":{"name":"f","description":` + odd + `,"parameters":` + schema + `}}]}`,
		Responses:       `{"model":"gpt-5.5","instructions":` + odd + `,"input":[{"role":"user","content":` + odd + `},{"type":"function_call","call_id":"c","name":"f","arguments":` + odd + `},{"type":"function_call_output","call_id":"c","output":` + odd + `}],"tools":[{"type":"function","name":"f","description":` + odd + `,"parameters":` + schema + `}]}`,
	} {
		req := accepted(t, api, body)
		if n := strings.Count(body, odd); strings.Count(string(req.Body), odd) != n {
			t.Errorf("%s: %d of %d texts kept their bytes", api, strings.Count(string(req.Body), odd), n)
		}
		if !strings.Contains(string(req.Body), schema) {
			t.Errorf("%s: the schema was written again", api)
		}
	}
}

// Long names are shortened, always in the same way, and the answer has them back.
func TestLongNamesComeBack(t *testing.T) {
	call := `{"role":"assistant","tool_calls":[{"id":"` + long + `","type":"function","function":{"name":"mcp.` + long + `","arguments":"{}"}}]},{"role":"tool","tool_call_id":"` + long + `","content":"r"}`
	body := `{"model":"gpt-5.5","messages":[` + hi + `,` + call + `],"tools":[{"type":"function","function":{"name":"mcp.` + long + `"}},{"type":"function","function":{"name":"mcp.` + long + `2"}},{"type":"function","function":{"name":"short"}}],"tool_choice":{"type":"function","function":{"name":"mcp.` + long + `"}}}`
	req := accepted(t, ChatCompletions, body)
	var sent struct {
		Tools  []struct{ Name string }
		Choice struct{ Name string } `json:"tool_choice"`
		Input  []struct {
			Name string
			ID   string `json:"call_id"`
		}
	}
	if err := json.Unmarshal(req.Body, &sent); err != nil {
		t.Fatal(err)
	}
	name := sent.Tools[0].Name
	if name == sent.Tools[1].Name || sent.Choice.Name != name || sent.Input[1].Name != name || sent.Input[1].ID != sent.Input[2].ID {
		t.Errorf("names %+v", sent)
	}
	if back := req.toolName(name); back != "mcp."+long {
		t.Errorf("%s comes back as %s", name, back)
	}
	if !req.renamed() || req.toolName("short") != "short" || req.toolName("other") != "other" {
		t.Error("a name that was not changed comes back as another")
	}
}

// Bodies that are made to be slow to read are not: the work is a few times the
// bytes. A quadratic reader would take hours for these.
func TestLargeBodiesAreReadInOnePass(t *testing.T) {
	if testing.Short() {
		t.Skip("some ten million bytes")
	}
	many := func(s string, n int) string { return strings.Repeat(s+",", n-1) + s }
	var keys, calls, wide strings.Builder
	for i := range 50_000 {
		keys.WriteString(`,"k` + strconv.Itoa(i) + `":1`)
		calls.WriteString(`,{"role":"assistant","function_call":{"name":"f","arguments":""}}`)
		wide.WriteString(`,{"type":"prompt_cache_breakpoint"}`)
	}
	for name, body := range map[string]string{
		"messages":   messages(many(hi, 50_000)),
		"parts":      messages(`{"role":"user","content":[` + many(`{"type":"text","text":"a"}`, 50_000) + `]}`),
		"keys":       chat(keys.String()),
		"calls":      messages(hi + calls.String()),
		"escapes":    messages(`{"role":"user","content":"` + strings.Repeat(`\\\"`, 1_000_000) + `"}`),
		"tools":      chat(`,"tools":[` + many(`{"type":"web_search"}`, 50_000) + `]`),
		"breakpoint": responses(`,"tools":[{"type":"x","y":[1` + wide.String() + `]}]`),
		"reasoning":  items(hi + strings.Repeat(`,{"type":"reasoning","encrypted_content":"x"}`, 50_000)),
		"one text":   messages(`{"role":"user","content":"` + strings.Repeat("a", 8<<20) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			for _, api := range []API{ChatCompletions, Responses} {
				parse(api, body)
			}
		})
	}
	deep := strings.Repeat(`{"prompt_cache_breakpoint":1,"a":[`, 4000) + `"` + strings.Repeat("a", 4<<20) + `"` + strings.Repeat(`]}`, 4000)
	if _, err := parse(Responses, responses(`,"tools":[{"type":"x","y":`+deep+`}]`)); err != nil {
		t.Error(err)
	}
}
