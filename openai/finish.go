package openai

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// finish checks what the items say together and writes the request.
func (d *draft) finish() (*Request, error) {
	if d.req.API != Compact {
		d.dropLoneReasoning()
		if err := d.checkPairs(); err != nil {
			return nil, err
		}
	}
	if len(d.items) == 0 {
		return nil, refuse(d.list, "invalid_value", "Invalid '%s': there is nothing in it that could be answered.", d.list)
	}
	if err := d.checkWord(); err != nil {
		return nil, err
	}
	if err := d.checkChoice(); err != nil {
		return nil, err
	}
	d.settleEffort()
	d.settleRest()
	d.write()
	return d.req, nil
}

// dropLoneReasoning leaves out reasoning that nothing of the model follows: the
// backend refuses it.
func (d *draft) dropLoneReasoning() {
	kept := slices.Clone(d.items)
	n, own, followed := len(kept), d.own, false
	for i, it := range slices.Backward(d.items) {
		if it.reasoning && !followed {
			d.drop(d.list + ".reasoning")
			if i < own {
				d.own--
			}
			continue
		}
		if !it.reasoning {
			followed = it.made
		}
		n--
		kept[n] = it
	}
	d.items = kept[n:]
}

// checkPairs wants a result for each call.
func (d *draft) checkPairs() error {
	for _, id := range d.opened {
		if at, left := d.open[id]; left {
			return refuse(at, "invalid_value", "Invalid '%s': no result of the call '%s' follows.", at, nameOf(id))
		}
	}
	return nil
}

// checkChoice leaves out a choice between no tools, unless it asks for one.
func (d *draft) checkChoice() error {
	if len(d.tools) > 0 || d.added {
		return nil
	}
	if d.choiceWord == "required" {
		return refuse("tool_choice", "invalid_value", "Invalid 'tool_choice': 'required' needs 'tools'.")
	}
	d.toolChoice = nil
	return nil
}

// settleEffort makes an effort of what was asked for that the model has.
func (d *draft) settleEffort() {
	if d.effort == "" {
		d.effort, d.effortName = d.choice.effort, "model"
	}
	if d.effort == "" {
		return
	}
	sent, same := d.choice.known.settle(d.effort)
	if d.effort = sent; !same {
		d.drop(d.effortName)
	}
}

// settleRest keeps of the rest what the model takes; of an unknown one it takes
// nothing that some models refuse.
func (d *draft) settleRest() {
	m := d.choice.known
	if m == nil || !m.summary {
		if d.summary != nil {
			d.drop("reasoning.summary")
		}
		d.summary = nil
	} else if d.summary == nil && d.autoSummary {
		d.summary = json.RawMessage(`"auto"`)
	}
	if d.verbosity != nil && (m == nil || !m.verbosity) {
		d.drop(d.verbosityName)
		d.verbosity = nil
	}
	if d.priority && (m == nil || !m.priority) {
		d.drop("service_tier")
		d.priority = false
	}
	if d.cacheKey == nil && d.c.CacheKey != "" {
		d.cacheKey = d.derivedCacheKey()
	}
}

// derivedCacheKey is the same for all turns of a conversation: it is made of the
// seed and of all up to the user's first message.
func (d *draft) derivedCacheKey() json.RawMessage {
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(d.c.CacheKey), []byte(d.req.Model), d.instructions} {
		sum.Write(part)
		sum.Write([]byte{0})
	}
	for _, it := range d.items {
		sum.Write(d.buf[it.from:it.to])
		if it.user {
			break
		}
	}
	return json.RawMessage(`"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`)
}

// write puts the request together, its fields always in the same order.
func (d *draft) write() {
	compact := d.req.API == Compact
	var out bytes.Buffer
	out.Grow(len(d.buf) + len(d.allTools) + 1024)
	out.WriteString(`{"model":`)
	out.Write(quote(d.req.Model))
	field := func(key string, raw []byte) {
		if len(raw) > 0 {
			out.WriteString(`,"` + key + `":`)
			out.Write(raw)
		}
	}
	if d.instructions == nil {
		d.instructions = json.RawMessage(`""`)
	}
	field("instructions", d.instructions)
	spans := d.writeItems(&out)
	if len(d.tools) > 0 {
		if d.allTools == nil {
			d.allTools = joined(d.tools)
		}
		field("tools", d.allTools)
	}
	if len(d.tools) > 0 || d.added {
		field("parallel_tool_calls", d.parallel)
	}
	field("tool_choice", d.toolChoice)
	field("reasoning", d.reasoning())
	field("text", pairs("format", d.format, "verbosity", d.verbosity))
	if d.priority {
		field("service_tier", []byte(`"priority"`))
	}
	field("prompt_cache_key", d.cacheKey)
	if !compact {
		field("include", joined(d.included()))
		field("client_metadata", d.metadata)
		field("stream_options", pairs("reasoning_summary_delivery", d.delivery))
		out.WriteString(`,"store":false,"stream":true`)
	}
	out.WriteByte('}')
	d.req.Body = out.Bytes()
	for _, s := range spans[min(d.own, len(spans)):] {
		d.req.input = append(d.req.input, d.req.Body[s[0]:s[1]])
	}
}

func (d *draft) writeItems(out *bytes.Buffer) (spans [][2]int) {
	out.WriteString(`,"input":[`)
	for i, it := range d.items {
		if i > 0 {
			out.WriteByte(',')
		}
		from := out.Len()
		out.Write(d.buf[it.from:it.to])
		if d.req.stored {
			spans = append(spans, [2]int{from, out.Len()})
		}
	}
	out.WriteByte(']')
	return spans
}

func (d *draft) reasoning() []byte {
	var effort []byte
	if d.effort != "" {
		effort = quote(d.effort)
	}
	return pairs("effort", effort, "summary", d.summary, "context", d.reasoningContext)
}

const encryptedReasoning = `"reasoning.encrypted_content"`

// included asks for what the next turn of a conversation needs.
func (d *draft) included() []json.RawMessage {
	for _, raw := range d.include {
		if string(raw) == encryptedReasoning {
			return d.include
		}
	}
	return append(d.include, json.RawMessage(encryptedReasoning))
}

// pairs writes an object of what there is; nothing if that is nothing.
func pairs(members ...any) []byte {
	var out []byte
	for i := 0; i < len(members); i += 2 {
		var raw []byte
		switch v := members[i+1].(type) {
		case json.RawMessage:
			raw = v
		case []byte:
			raw = v
		}
		if len(raw) > 0 {
			out = append(append(out, `,"`+members[i].(string)+`":`...), raw...)
		}
	}
	if out == nil {
		return nil
	}
	out[0] = '{'
	return append(out, '}')
}

func joined(list []json.RawMessage) []byte {
	out := []byte{'['}
	for i, raw := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return append(out, ']')
}
