package openai

import (
	"container/list"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Memory keeps what was answered, so that a client may refer to it: by
// item_reference and by previous_response_id. It is bounded in bytes and in time
// over all keys, and it is only ever in memory. A nil Memory remembers nothing.
type Memory struct {
	limit int64
	age   time.Duration

	mu      sync.Mutex
	bytes   int64
	pending int64      // of bytes: inputs whose answers are not whole yet
	order   *list.List // of *answer, the latest used in front
	known   map[memoryName]*answer
	timer   *time.Timer // due when the oldest is too old; nil if there is none
}

// A memoryName is the id of a response or of an item, as one key knows it.
type memoryName struct{ key, id string }

// An answer is one response: what its request said again, and the result.
type answer struct {
	names    []memoryName
	previous *answer // what it went on from
	said     []json.RawMessage
	output   []json.RawMessage
	bytes    int64
	used     time.Time
	place    *list.Element // nil once it is forgotten
}

// overhead is roughly what an item costs in addition to its bytes.
const overhead = 256

// NewMemory keeps at most so many bytes, each at most for age after its last use.
// It returns nil, which remembers nothing, if one of them is not positive.
func NewMemory(bytes int64, age time.Duration) *Memory {
	if bytes <= 0 || age <= 0 {
		return nil
	}
	return &Memory{limit: bytes, age: age, order: list.New(), known: map[memoryName]*answer{}}
}

// For returns what one key may recall.
func (m *Memory) For(key string) *Recall {
	if m == nil {
		return nil
	}
	return &Recall{m, key}
}

// forget is for the timer: nothing outlives its time in an idle process.
func (m *Memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer = nil
	m.expire()
	m.wind()
}

// wind sets the timer for the oldest answer.
func (m *Memory) wind() {
	if oldest := m.order.Back(); oldest != nil && m.timer == nil {
		m.timer = time.AfterFunc(m.age-time.Since(oldest.Value.(*answer).used)+1, m.forget)
	}
}

// Recall is one key's part of a Memory. A nil one is empty.
type Recall struct {
	m   *Memory
	key string
}

// await keeps a request's input until its answer is whole, or ctx ends. It counts as
// much as what is kept, and the request lets go of it where there is no room.
func (r *Recall) await(ctx context.Context, req *Request) {
	var size int64
	for _, item := range req.input {
		size += int64(len(item)) + overhead
	}
	if r == nil || req.API != Responses || !r.m.reserve(size) {
		req.input, req.stored = nil, false
		return
	}
	req.input = copied(req.input) // the body that it is part of is much more
	if size > 0 {
		context.AfterFunc(ctx, func() { r.m.reserve(-size) })
	}
}

// reserve makes room for an input.
func (m *Memory) reserve(size int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending+size > m.limit {
		return false
	}
	m.bytes, m.pending = m.bytes+size, m.pending+size
	m.shrink()
	return true
}

// shrink drops the oldest until the rest fits.
func (m *Memory) shrink() {
	for m.bytes > m.limit && m.order.Len() > 0 {
		m.drop(m.order.Back().Value.(*answer))
	}
}

// Remember keeps a response that was answered whole. It keeps nothing of a request
// that said store:false, nor of one that is not made on Responses.
func (r *Recall) Remember(req *Request, responseID string, output []json.RawMessage) {
	if r == nil || !req.stored || req.API != Responses || responseID == "" {
		return
	}
	a := &answer{said: copied(req.input), output: copied(output)}
	for _, list := range [][]json.RawMessage{a.said, a.output} {
		for _, item := range list {
			a.bytes += int64(len(item)) + overhead
		}
	}
	a.names = append(a.names, memoryName{r.key, responseID})
	for _, item := range a.output {
		var named struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(item, &named) == nil && named.ID != "" {
			a.names = append(a.names, memoryName{r.key, named.ID})
		}
	}
	for _, n := range a.names {
		a.bytes += int64(len(n.id)) + overhead
	}
	r.m.keep(a, memoryName{r.key, req.previous})
}

func (m *Memory) keep(a *answer, previous memoryName) {
	if a.bytes > m.limit {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if previous.id != "" {
		if a.previous = m.known[previous]; a.previous == nil {
			return // its beginning was forgotten meanwhile: half a conversation is none
		}
	}
	for _, n := range a.names {
		if old := m.known[n]; old != nil {
			m.drop(old)
		}
	}
	if previous.id != "" && a.previous.place == nil {
		return
	}
	for _, n := range a.names {
		m.known[n] = a
	}
	a.place = m.order.PushFront(a)
	m.bytes += a.bytes
	m.use(a)
	m.shrink()
	m.wind()
}

// use puts an answer in front, and before it what it went on from: so nothing is
// forgotten before what follows it.
func (m *Memory) use(a *answer) {
	now := time.Now()
	for ; a != nil && a.place != nil; a = a.previous {
		a.used = now
		m.order.MoveToFront(a.place)
	}
}

func (m *Memory) expire() {
	for e := m.order.Back(); e != nil && time.Since(e.Value.(*answer).used) > m.age; e = m.order.Back() {
		m.drop(e.Value.(*answer))
	}
}

func (m *Memory) drop(a *answer) {
	if a.place == nil {
		return
	}
	m.order.Remove(a.place)
	a.place = nil
	m.bytes -= a.bytes
	for _, n := range a.names {
		if m.known[n] == a {
			delete(m.known, n)
		}
	}
	a.previous, a.said, a.output = nil, nil, nil // what follows it may still point here
}

// response returns the conversation up to and with a response.
func (r *Recall) response(id string) (items []json.RawMessage, ok bool) {
	if r == nil {
		return nil, false
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.expire()
	a := r.m.known[memoryName{r.key, id}]
	if a == nil || a.names[0].id != id {
		return nil, false
	}
	r.m.use(a)
	var turns []*answer
	for ; a != nil; a = a.previous {
		if a.place == nil {
			return nil, false
		}
		turns = append(turns, a)
	}
	for _, a := range slices.Backward(turns) {
		items = append(append(items, a.said...), a.output...)
	}
	return items, true
}

// item returns an item of an answer.
func (r *Recall) item(id string) (json.RawMessage, bool) {
	if r == nil {
		return nil, false
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.expire()
	a := r.m.known[memoryName{r.key, id}]
	if a == nil {
		return nil, false
	}
	r.m.use(a)
	for _, item := range a.output {
		var named struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(item, &named) == nil && named.ID == id {
			return item, true
		}
	}
	return nil, false
}

// copied keeps items apart from the bodies that they came in.
func copied(items []json.RawMessage) []json.RawMessage {
	out := make([]json.RawMessage, len(items))
	for i, item := range items {
		out[i] = slices.Clone(item)
	}
	return out
}
