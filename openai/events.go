package openai

import "errors"

// errUnreadable: an event of the backend is no JSON object.
var errUnreadable = errors.New("an event of the backend cannot be read")

// An eventSort is what a kind of the backend's events means to us.
type eventSort int

const (
	sortUnknown   eventSort = iota // not of the public API, or newer than we are: no client of it gets to see it
	sortPassed                     // public, and nothing that we need
	sortCreated                    // the response begins
	sortCompleted                  // and its three ends
	sortIncomplete
	sortFailed
	sortError
	sortItemAdded
	sortItemDone
	sortPartAdded
	sortPartDone
	sortDelta // a piece of a part
	sortDone  // the whole of a part
	sortAnnotation
)

// A partKind is what a part of an item is.
type partKind int

const (
	noPart partKind = iota
	partText
	partRefusal
	partSummary   // of the reasoning
	partReasoning // in full
	partInput     // a call's arguments, or a custom call's input
)

// upEvent is one event of the backend. What it points to lies in data.
type upEvent struct {
	sort   eventSort
	kind   partKind
	spoken bool // "response.done": a WebSocket's word for completed
	data   []byte

	output, index int // output_index; content_index or summary_index; -1 if it has none

	typ, itemID, delta, whole, item, response, part, annotation, failure []byte

	sequence span // of sequence_number's value
	hasError bool // a member "error", which some SDKs take for a failure whatever is in it
}

// parse reads an event's data.
func (e *upEvent) parse(data []byte) error {
	*e = upEvent{data: data, output: -1, index: -1}
	m := members{data: data}
	for {
		name, at, ok := m.next()
		if !ok {
			break
		}
		e.member(string(name), at)
	}
	if !m.ended {
		return errUnreadable
	}
	e.classify()
	return nil
}

func (e *upEvent) member(name string, at span) {
	value := at.in(e.data)
	switch name {
	case "type":
		e.typ = inside(value)
	case "sequence_number":
		if _, ok := number(value); ok {
			e.sequence = at
		}
	case "item_id":
		e.itemID = inside(value)
	case "output_index":
		e.output = index(value)
	case "content_index", "summary_index":
		e.index = index(value)
	case "delta":
		e.delta = inside(value)
	case "text", "refusal", "arguments", "input":
		e.whole = inside(value)
	case "item":
		e.item = asObject(value)
	case "response":
		e.response = asObject(value)
	case "part":
		e.part = asObject(value)
	case "annotation":
		e.annotation = value
	case "error":
		e.hasError = true
		e.failure = value
	}
}

func asObject(value []byte) []byte {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	return value
}

func index(value []byte) int {
	if n, ok := number(value); ok {
		return n
	}
	return -1
}

// classify says what the event means. The list is that of the public API: an SDK
// may throw at a kind that it does not know.
func (e *upEvent) classify() {
	switch string(e.typ) {
	case "response.output_text.delta":
		e.sort, e.kind = sortDelta, partText
	case "response.output_text.done":
		e.sort, e.kind = sortDone, partText
	case "response.refusal.delta":
		e.sort, e.kind = sortDelta, partRefusal
	case "response.refusal.done":
		e.sort, e.kind = sortDone, partRefusal
	case "response.reasoning_summary_text.delta":
		e.sort, e.kind = sortDelta, partSummary
	case "response.reasoning_summary_text.done":
		e.sort, e.kind = sortDone, partSummary
	case "response.reasoning_text.delta":
		e.sort, e.kind = sortDelta, partReasoning
	case "response.reasoning_text.done":
		e.sort, e.kind = sortDone, partReasoning
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		e.sort, e.kind = sortDelta, partInput
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		e.sort, e.kind = sortDone, partInput
	case "response.output_item.added":
		e.sort = sortItemAdded
	case "response.output_item.done":
		e.sort = sortItemDone
	case "response.content_part.added", "response.reasoning_summary_part.added":
		e.sort, e.kind = sortPartAdded, partKindOf(e.part)
	case "response.content_part.done", "response.reasoning_summary_part.done":
		e.sort, e.kind = sortPartDone, partKindOf(e.part)
	case "response.output_text.annotation.added":
		e.sort, e.kind = sortAnnotation, partText
	case "response.created":
		e.sort = sortCreated
	case "response.completed":
		e.sort = sortCompleted
	case "response.incomplete":
		e.sort = sortIncomplete
	case "response.failed":
		e.sort = sortFailed
	case "response.done":
		e.sort, e.spoken = endingOf(e.response), true
	case "error":
		e.sort = sortError
	case "":
		if e.hasError && !isNull(e.failure) {
			e.sort = sortError // as some gateways put it
		}
	default:
		e.sort = rest(e.typ)
	}
}

// rest tells the other kinds of the public API, which we only pass on.
func rest(typ []byte) eventSort {
	switch string(typ) {
	case "response.in_progress", "response.queued",
		"response.audio.delta", "response.audio.done", "response.audio.transcript.delta", "response.audio.transcript.done",
		"response.code_interpreter_call.in_progress", "response.code_interpreter_call.interpreting", "response.code_interpreter_call.completed",
		"response.code_interpreter_call_code.delta", "response.code_interpreter_call_code.done",
		"response.file_search_call.in_progress", "response.file_search_call.searching", "response.file_search_call.completed",
		"response.web_search_call.in_progress", "response.web_search_call.searching", "response.web_search_call.completed",
		"response.image_generation_call.in_progress", "response.image_generation_call.generating",
		"response.image_generation_call.partial_image", "response.image_generation_call.completed",
		"response.mcp_call_arguments.delta", "response.mcp_call_arguments.done",
		"response.mcp_call.in_progress", "response.mcp_call.completed", "response.mcp_call.failed",
		"response.mcp_list_tools.in_progress", "response.mcp_list_tools.completed", "response.mcp_list_tools.failed":
		return sortPassed
	}
	return sortUnknown
}

// endingOf tells how a response ended whose event does not say it.
func endingOf(response []byte) eventSort {
	switch string(inside(memberOf(response, "status"))) {
	case "incomplete":
		return sortIncomplete
	case "failed", "cancelled":
		return sortFailed
	}
	return sortCompleted
}

func partKindOf(part []byte) partKind {
	switch string(inside(memberOf(part, "type"))) {
	case "output_text", "text":
		return partText
	case "refusal":
		return partRefusal
	case "summary_text":
		return partSummary
	case "reasoning_text":
		return partReasoning
	}
	return noPart
}
