package openai

import (
	"encoding/json"
	"time"
)

// Memory keeps what was answered, so that a client may refer to it: by
// item_reference and by previous_response_id. It is bounded in bytes and in time
// over all keys, and it is only ever in memory.
type Memory struct{}

// NewMemory keeps at most so many bytes, each at most for age after its last use.
// It returns nil, which remembers nothing, if one of them is zero.
func NewMemory(bytes int64, age time.Duration) *Memory { return nil }

// For returns what one key may recall.
func (m *Memory) For(key string) *Recall { return nil }

// Recall is one key's part of a Memory. A nil one is empty.
type Recall struct{}

// Remember keeps a response that was answered whole. It keeps nothing of a request
// that said store:false, nor of one that is not made on Responses.
func (r *Recall) Remember(req *Request, responseID string, output []json.RawMessage) {}
