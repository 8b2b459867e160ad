package openai

import (
	"bytes"
	"encoding/json"
	"slices"
)

// textIn is what a text is called in the content of a role.
func textIn(role string) string {
	if role == "assistant" {
		return "output_text"
	}
	return "input_text"
}

// parts writes the parts of a message, or of a tool's result (role tool), in the
// words of Responses. Both APIs' words are read.
func (d *draft) parts(role string, raw json.RawMessage, at *path) error {
	d.put("[")
	first := true
	err := readList(raw, at, func(i int, raw json.RawMessage) error {
		if isText(raw) { // some clients mix
			raw = json.RawMessage(`{"type":"text","text":` + string(raw) + `}`)
		}
		f, err := readObject(raw, at.at(i))
		if err != nil {
			return err
		}
		before := len(d.buf)
		if !first {
			d.put(",")
		}
		from := len(d.buf)
		if err := d.part(role, f, at.at(i)); err != nil {
			return err
		}
		if len(d.buf) == from {
			d.buf = d.buf[:before]
		} else {
			first = false
		}
		return nil
	})
	d.put("]")
	return err
}

func (d *draft) part(role string, f object, at *path) error {
	kind := "text"
	if t := f.get("type"); t != nil || f.get("text") == nil {
		var err error
		if kind, err = d.word(t, at.of("type")); err != nil {
			return err
		}
	}
	switch kind {
	case "text", "input_text", "output_text":
		return d.textPart(textIn(role), "text", f, at)
	case "refusal":
		if role == "assistant" {
			return d.textPart("refusal", "refusal", f, at)
		}
	case "image_url", "input_image", "file", "input_file":
		if role == "assistant" {
			return badValue(at.of("type"), "An assistant message can't hold an image or a file: put it into a message of the user.")
		}
		if kind == "file" || kind == "input_file" {
			return d.filePart(f, at)
		}
		return d.imagePart(f, at)
	case "input_audio", "audio":
		return badValue(at, "No model of the backend takes audio.")
	case "thinking", "redacted_thinking", "reasoning", "reasoning_content":
		if role == "assistant" {
			return nil // an echo, and not what the backend can read
		}
	}
	return badValue(at.of("type"), "Supported values are 'text', 'image_url' and 'file', in an answer 'text' and 'refusal', and what Responses calls them.")
}

func (d *draft) textPart(kind, key string, f object, at *path) error {
	text := f.get(key)
	if !isText(text) {
		return wrongKind(at.of(key), "a string", text)
	}
	d.put(`{"type":"`, kind, `"`)
	d.member(key, text)
	d.put("}")
	d.leave(f, key)
	return nil
}

// leave names the members of a part that are left out. A citation without text,
// and an answer without numbers, is nothing.
func (d *draft) leave(f object, read ...string) {
	for _, e := range f {
		if e.key == "type" || e.key == "id" || slices.Contains(read, e.key) || isHollow(e.raw) {
			continue
		}
		d.drop(d.list + ".content." + e.key)
	}
}

func (d *draft) imagePart(f object, at *path) error {
	if f.get("file_id") != nil {
		return noFiles(at)
	}
	place, url, detail := at.of("image_url"), f.get("image_url"), f.get("detail")
	if len(url) > 0 && url[0] == '{' {
		inner, err := readObject(url, place)
		if err != nil {
			return err
		}
		place, url = place.of("url"), inner.get("url")
		if detail == nil {
			detail = inner.get("detail")
		}
		d.leave(inner, "url", "detail")
	}
	if !isText(url) {
		return wrongKind(place, "a string", url)
	}
	if m := d.choice.known; m != nil && m.noImages {
		return badValue(at, "The model "+m.slug+" does not take images.")
	}
	d.put(`{"type":"input_image"`)
	d.member("image_url", url)
	if err := d.detail(detail, at.of("detail")); err != nil {
		return err
	}
	d.put("}")
	d.leave(f, "image_url", "detail")
	return nil
}

func (d *draft) detail(raw json.RawMessage, at *path) error {
	if raw == nil {
		return nil
	}
	word, err := readText(raw, at)
	if err != nil {
		return err
	}
	switch m := d.choice.known; word {
	case "original":
		if m == nil || !m.original {
			d.drop(d.list + ".content.detail")
			return nil
		}
	case "low", "high", "auto":
	default:
		return badValue(at, "Supported values are 'auto', 'low', 'high' and, for some models, 'original'.")
	}
	d.member("detail", raw)
	return nil
}

func (d *draft) filePart(f object, at *path) error {
	if inner := f.get("file"); inner != nil {
		at = at.of("file")
		var err error
		d.leave(f, "file")
		if f, err = readObject(inner, at); err != nil {
			return err
		}
	}
	if f.get("file_id") != nil {
		return noFiles(at)
	}
	if f.get("file_data") == nil && f.get("file_url") == nil {
		return missingField(at.of("file_data"))
	}
	d.put(`{"type":"input_file"`)
	for _, key := range []string{"file_data", "file_url", "filename"} {
		if raw := f.get(key); raw != nil {
			if !isText(raw) {
				return wrongKind(at.of(key), "a string", raw)
			}
			d.member(key, raw)
		}
	}
	d.put("}")
	d.leave(f, "file_data", "file_url", "filename")
	return nil
}

func noFiles(at *path) error {
	return unsupported(at.of("file_id"), "There is no Files API behind this login: send the data itself.")
}

const breakpoint = "prompt_cache_breakpoint"

// withoutBreakpoint takes a field away at every depth, where the backend refuses it.
// A schema may have a property of that name.
func (d *draft) withoutBreakpoint(raw json.RawMessage, isProperties bool) json.RawMessage {
	if len(raw) == 0 || !bytes.Contains(raw, []byte(breakpoint)) {
		return raw
	}
	s := stripper{raw: raw, out: make([]byte, 0, len(raw))}
	s.value(0, isProperties)
	if s.stripped {
		d.drop(breakpoint)
	}
	return s.out
}

// A stripper copies a value without the breakpoints in it, in one pass.
type stripper struct {
	raw, out []byte
	stripped bool
}

// value copies the value that begins at i, and returns where it ends.
func (s *stripper) value(i int, isProperties bool) int {
	open := s.raw[i]
	if open != '{' && open != '[' {
		end := endOf(s.raw, i)
		s.out = append(s.out, s.raw[i:end]...)
		return end
	}
	s.out = append(s.out, open)
	empty := len(s.out)
	for i = blanks(s.raw, i+1); s.raw[i] != open+2; { // in ASCII the closing one stands two behind
		before := len(s.out)
		if before > empty {
			s.out = append(s.out, ',')
		}
		key, below := "", false
		if open == '{' {
			end := endOf(s.raw, i)
			key = keyText(s.raw[i:end])
			below = key == "properties"
			s.out = append(append(s.out, s.raw[i:end]...), ':')
			i = blanks(s.raw, blanks(s.raw, end)+1)
		}
		i = s.value(i, below)
		if key == breakpoint && !isProperties {
			s.out, s.stripped = s.out[:before], true
		}
		if i = blanks(s.raw, i); s.raw[i] == ',' {
			i = blanks(s.raw, i+1)
		}
	}
	s.out = append(s.out, open+2)
	return i + 1
}
