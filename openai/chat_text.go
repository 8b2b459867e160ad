package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// chatText joins into one text what the backend says in several messages and parts.
type chatText struct {
	item    *replyItem // that the last piece of text was of
	part    *part
	thought *part // that the last piece of reasoning was of
	runes   int   // of the text so far
}

// newMessage reports whether a text is of another message than what was said
// before. It also notes where the part begins, for annotations count from there.
func (t *chatText) newMessage(ev event) bool {
	if ev.part == t.part {
		return false
	}
	other := t.item != nil && t.item != ev.item
	t.item, t.part = ev.item, ev.part
	if !ev.part.begun {
		ev.part.begun, ev.part.start = true, t.runes
		if other {
			ev.part.start += 2 // the empty line between them
		}
	}
	return other
}

// newThought reports whether reasoning is of another part than what came before.
func (t *chatText) newThought(ev event) bool {
	other := t.thought != nil && t.thought != ev.part
	t.thought = ev.part
	return other
}

func (t *chatText) count(text []byte) { t.runes += countRunes(text) }

// annotation puts a citation in the words of chat; nil if chat has none for it.
func (t *chatText) annotation(ev event) json.RawMessage {
	var a struct {
		Type  string `json:"type"`
		Start int    `json:"start_index"`
		End   int    `json:"end_index"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
	if json.Unmarshal(ev.raw, &a) != nil || a.Type != "url_citation" {
		return nil
	}
	shift := ev.part.start
	type citation struct {
		Start int    `json:"start_index"`
		End   int    `json:"end_index"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
	raw, err := json.Marshal(struct {
		Type     string   `json:"type"`
		Citation citation `json:"url_citation"`
	}{a.Type, citation{a.Start + shift, a.End + shift, a.Title, a.URL}})
	if err != nil {
		return nil
	}
	return raw
}

// finishReason says why an answer ended, as chat says it.
func finishReason(a *reply, req *Request) string {
	switch {
	case a.end == sortIncomplete && a.reason == "content_filter":
		return "content_filter"
	case a.end == sortIncomplete:
		return "length"
	case a.calls > 0 && req.Legacy:
		return "function_call"
	case a.calls > 0:
		return "tool_calls"
	}
	return "stop"
}

// chatUsage puts the backend's usage in the words of chat; nil if it said nothing,
// or something else than numbers. Nothing in it is guessed.
func chatUsage(raw []byte) []byte {
	u, ok := usageOf(raw)
	in, more := memberOf(raw, "input_tokens_details"), counts{}
	total, written := more.of(raw, "total_tokens"), more.of(in, "cache_write_tokens")
	if raw == nil || !ok || more.odd {
		return nil
	}
	out := fmt.Appendf(nil, `{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d`,
		u.Input, u.Output, max(total, u.Input+u.Output), u.Cached)
	if !isNull(memberOf(in, "cache_write_tokens")) {
		out = fmt.Appendf(out, `,"cache_write_tokens":%d`, written)
	}
	return fmt.Appendf(out, `},"completion_tokens_details":{"reasoning_tokens":%d}}`, u.Reasoning)
}

// stopper cuts a text before the first of some strings.
type stopper struct {
	stops []string
	held  string // the end of the text, which may begin one of them
}

func newStopper(stops []string) *stopper {
	stops = slices.DeleteFunc(slices.Clone(stops), func(s string) bool { return s == "" })
	if len(stops) == 0 {
		return nil
	}
	return &stopper{stops: stops}
}

// feed takes a piece of the text and returns what may be shown; found says that a
// stop string came, after which there is nothing.
func (s *stopper) feed(piece string) (show string, found bool) {
	text := s.held + piece
	s.held = ""
	cut := -1
	for _, stop := range s.stops {
		if i := strings.Index(text, stop); i >= 0 && (cut < 0 || i < cut) {
			cut = i
		}
	}
	if cut >= 0 {
		return text[:cut], true
	}
	hold := 0
	for _, stop := range s.stops {
		hold = max(hold, overlap(text, stop))
	}
	s.held = text[len(text)-hold:]
	return text[:len(text)-hold], false
}

// rest returns what was held back and turned out to be text.
func (s *stopper) rest() string {
	text := s.held
	s.held = ""
	return text
}

// overlap is how much of text's end begins stop.
func overlap(text, stop string) int {
	for n := min(len(text), len(stop)-1); n > 0; n-- {
		if text[len(text)-n:] == stop[:n] {
			return n
		}
	}
	return 0
}
