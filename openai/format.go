package openai

import (
	"bytes"
	"encoding/json"
)

// readFormat reads response_format, or text.format: chat's lies one level deeper.
func (d *draft) readFormat(raw json.RawMessage, at *path) error {
	if raw == nil {
		return nil
	}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	kind, err := d.word(f.get("type"), at.of("type"))
	if err != nil {
		return err
	}
	switch kind {
	case "text":
		return nil
	case "json_object":
		d.format, d.wantsJSON = json.RawMessage(`{"type":"json_object"}`), at
		return nil
	case "json_schema":
		return d.readSchema(f, at)
	}
	return badValue(at.of("type"), "Supported values are 'text', 'json_object' and 'json_schema'.")
}

func (d *draft) readSchema(f object, at *path) error {
	var err error
	if inner := f.get("json_schema"); inner != nil {
		at = at.of("json_schema")
		if f, err = readObject(inner, at); err != nil {
			return err
		}
	}
	name, err := d.word(f.get("name"), at.of("name"))
	if err != nil {
		return err
	}
	if schema := f.get("schema"); len(schema) == 0 || schema[0] != '{' {
		return wrongKind(at.of("schema"), "an object", schema)
	}
	if _, err := readBool(f.get("strict"), at.of("strict")); err != nil {
		return err
	}
	out := []byte(`{"type":"json_schema","name":"` + fit(name) + `"`)
	for _, e := range f {
		switch e.key {
		case "schema", "strict", "description":
			out = append(append(out, `,"`+e.key+`":`...), e.raw...)
		case "type", "name":
		default:
			d.drop(at.String() + "." + e.key)
		}
	}
	d.format = append(out, '}')
	return nil
}

// checkWord answers for the backend where the word that it wants is nowhere in the
// input. Where it is somewhere, the backend judges whether that is the right place.
func (d *draft) checkWord() error {
	if d.wantsJSON == nil {
		return nil
	}
	for rest := d.buf; len(rest) > 0; {
		i := bytes.IndexAny(rest, "jJ\\")
		if i < 0 {
			break
		}
		rest = rest[i:]
		if len(rest) >= 4 && bytes.EqualFold(rest[:4], []byte("json")) || len(rest) > 1 && rest[0] == '\\' && rest[1] == 'u' {
			return nil
		}
		rest = rest[1:]
	}
	return refuse(d.wantsJSON.String(), "invalid_value", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'. Instructions do not count.")
}
