package openai

import (
	"encoding/json"
	"slices"
)

// A draft is the backend's request while it is made. Both APIs fill it, and
// finish writes it: what the backend does not take can't get past that.
type draft struct {
	req    *Request
	c      Context
	choice choice
	list   string // what the client calls its items: messages or input

	buf   []byte // the items, one behind the other
	items []item
	own   int // items before this one were recalled, and are not the client's own

	calls  map[string]string // the kinds of the calls so far, by id
	open   map[string]string // where a call without a result stands, by id
	opened []string          // their ids, in order
	opaque bool              // there is an item that only the backend understands
	added  bool              // an item brings tools along

	tools    []json.RawMessage
	allTools json.RawMessage // the client's list, if no tool had to be changed
	named    map[string]bool // names of the tools
	kinds    map[string]bool // types of the tools
	unlisted bool            // tools may have names that stand nowhere

	toolChoice json.RawMessage
	choiceWord string // of a tool_choice that is a word
	parallel   json.RawMessage

	instructions, cacheKey, metadata, delivery json.RawMessage
	effort, effortName                         string
	summary, reasoningContext                  json.RawMessage
	autoSummary                                bool
	verbosity, format                          json.RawMessage
	wantsJSON                                  *path // json_object was asked for here
	verbosityName                              string
	priority                                   bool
	include                                    []json.RawMessage
}

// An item is one of the input, as it stands in buf.
type item struct {
	from, to  int
	reasoning bool
	made      bool // by the model: reasoning may stand before it
	user      bool
}

func newDraft(api API, size int, c Context) *draft {
	return &draft{
		req: &Request{API: api}, c: c, list: "input",
		calls: map[string]string{}, open: map[string]string{},
		named: map[string]bool{}, kinds: map[string]bool{},
		buf: make([]byte, 0, size+size/8),
	}
}

// maxDropped bounds the names that an answer's header lists.
const maxDropped = 40

// drop names a field that is left out.
func (d *draft) drop(name string) {
	name = nameOf(name)
	if slices.Contains(d.req.Dropped, name) || len(d.req.Dropped) > maxDropped {
		return
	}
	if len(d.req.Dropped) == maxDropped {
		name = "and_more"
	}
	d.req.Dropped = append(d.req.Dropped, name)
}

// sift applies the rules to a body and returns the fields that are to be read.
func (d *draft) sift(body object, tables ...[]rule) (object, error) {
	var kept object
	for _, e := range body {
		var r *rule
		for _, table := range tables {
			if r = ruleFor(table, e.key); r != nil {
				break
			}
		}
		switch {
		case r == nil:
			d.drop(e.key)
		case r.verdict == passed || r.verdict == mapped:
			kept = append(kept, e)
		case r.quiet != nil && r.quiet(e.raw):
		case r.verdict == refused:
			return nil, refusedField(r)
		default:
			d.drop(e.key)
		}
	}
	return kept, nil
}

func refusedField(r *rule) error {
	at := &path{key: r.name}
	if r.name == "messages" {
		return unsupported(at, "This is the Responses API, which reads 'input'. POST messages to /v1/chat/completions.")
	}
	return unsupported(at, "The backend has no equivalent, and the answer would differ without it.")
}

// common reads what both APIs have. It comes first: what parts may stand in a
// message depends on the model.
func (d *draft) common(f object) error {
	if err := d.readModel(f.get("model")); err != nil {
		return err
	}
	var err error
	if d.req.Stream, err = readBool(f.get("stream"), &path{key: "stream"}); err != nil {
		return err
	}
	if err := d.readTier(f.get("service_tier")); err != nil {
		return err
	}
	if d.cacheKey = f.get("prompt_cache_key"); d.cacheKey != nil && !isText(d.cacheKey) {
		return wrongKind(&path{key: "prompt_cache_key"}, "a string", d.cacheKey)
	}
	if d.parallel = f.get("parallel_tool_calls"); d.parallel != nil {
		_, err = readBool(d.parallel, &path{key: "parallel_tool_calls"})
	}
	return err
}

func (d *draft) readModel(raw json.RawMessage) error {
	name, err := d.word(raw, &path{key: "model"})
	if err != nil {
		return err
	}
	d.choice = d.c.Models.choose(name)
	d.req.Model = d.choice.slug
	d.priority = d.choice.fast
	return nil
}

func readBool(raw json.RawMessage, at *path) (bool, error) {
	if raw == nil {
		return false, nil
	}
	if raw[0] != 't' && raw[0] != 'f' {
		return false, wrongKind(at, "a boolean", raw)
	}
	return raw[0] == 't', nil
}

func (d *draft) readTier(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	tier, err := readText(raw, &path{key: "service_tier"})
	switch {
	case err != nil:
		return err
	case tier == "priority", tier == "fast":
		d.priority = true
	case tier != "auto" && tier != "default":
		d.drop("service_tier")
	}
	return nil
}

// readReasoning reads the object that Responses has, and some chat clients, too.
func (d *draft) readReasoning(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "reasoning"}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	for _, e := range f {
		switch e.key {
		case "effort":
			if d.effort, err = d.word(e.raw, at.of("effort")); err != nil {
				return err
			}
			d.effortName = "reasoning.effort"
		case "summary":
			d.summary = e.raw
		case "generate_summary":
			if d.summary == nil {
				d.summary = e.raw
			}
		case "context":
			d.reasoningContext = e.raw
		default:
			d.drop("reasoning." + e.key)
		}
	}
	if d.summary == nil {
		return nil
	}
	word, err := readText(d.summary, at.of("summary"))
	if err == nil && !slices.Contains([]string{"auto", "concise", "detailed", "none"}, word) {
		err = badValue(at.of("summary"), "Supported values are 'auto', 'concise' and 'detailed'.")
	}
	if word == "none" {
		d.summary, d.autoSummary = nil, false
	}
	return err
}

func (d *draft) readVerbosity(raw json.RawMessage, at *path) error {
	if raw == nil {
		return nil
	}
	word, err := readText(raw, at)
	if err == nil && word != "low" && word != "medium" && word != "high" {
		err = badValue(at, "Supported values are 'low', 'medium' and 'high'.")
	}
	d.verbosity, d.verbosityName = raw, at.String()
	return err
}
