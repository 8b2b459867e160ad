package openai

import "encoding/json"

// API is what a client speaks.
type API string

// The APIs that a request can be made in.
const (
	ChatCompletions API = "chat.completions"
	Responses       API = "responses"
	Compact         API = "responses.compact"
)

// Request is a client's request in the backend's terms.
type Request struct {
	API     API
	Body    []byte   // what the backend gets
	Model   string   // the model that is asked
	Stream  bool     // the client wants a stream
	Dropped []string // names of the fields left out, never values

	IncludeUsage bool     // the client wants a usage chunk at the end of its stream
	Stop         []string // where the client wants the text cut
	Legacy       bool     // the client knows functions and function_call, not tools

	names    map[string]string // the client's words for tool names that were changed
	input    []json.RawMessage // its own items as they were sent, for Memory
	previous string            // the response that they follow
	stored   bool              // the client did not say store:false
}

// toolName returns the client's word for the name of a tool that was sent.
func (r *Request) toolName(sent string) string {
	if name, ok := r.names[sent]; ok {
		return name
	}
	return sent
}

// renamed says whether toolName ever differs from what was sent.
func (r *Request) renamed() bool { return len(r.names) > 0 }

// Context is what a request is read against.
type Context struct {
	Models   *Models // nil: unknown, and the backend gets the minimum
	Recall   *Recall // nil: nothing is remembered
	CacheKey string  // the seed of a prompt_cache_key where the client sends none; empty: none is made
}
