package openai

import "testing"

// What the backend counted is told where it is a number. A chat client gets all of
// it, or nothing: it would add up what is half.
func TestUsage(t *testing.T) {
	const all = `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":30}`
	for name, tt := range map[string]struct {
		said string
		want Usage
		chat string
	}{
		"all":              {all, Usage{10, 4, 20, 5}, `{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":5}}`},
		"no details":       {`{"input_tokens":1,"output_tokens":2,"input_tokens_details":null}`, Usage{1, 0, 2, 0}, `{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}`},
		"a word":           {`{"input_tokens":"1","output_tokens":2}`, Usage{Output: 2}, ""},
		"a fraction":       {`{"input_tokens":1,"output_tokens":2.5}`, Usage{Input: 1}, ""},
		"too large":        {`{"input_tokens":92233720368547758070,"output_tokens":2}`, Usage{Output: 2}, ""},
		"details of words": {`{"input_tokens":1,"output_tokens":2,"input_tokens_details":[4]}`, Usage{Input: 1, Output: 2}, ""},
		"nothing":          {"", Usage{}, ""},
	} {
		if got, _ := usageOf([]byte(tt.said)); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		said := []byte(tt.said)
		if tt.said == "" {
			said = nil
		}
		if got := string(chatUsage(said)); got != tt.chat {
			t.Errorf("%s: %s, want %s", name, got, tt.chat)
		}
	}
}
