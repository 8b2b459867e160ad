package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
)

// What ends a schema that refers to itself: how deep an answer may be, and of how
// many values.
const (
	deepestFit = 24
	largestFit = 20_000
)

// A fitter walks one schema.
type fitter struct {
	root map[string]any
	left int // values that may still be made
}

// fitText is the simplest JSON that a schema takes: every property, one element
// in each list, the first of every choice. It heeds type, const, enum, anyOf,
// oneOf, allOf, $ref within the schema, minimum, minLength and minItems.
func fitText(schema map[string]any) string {
	if schema == nil {
		return "{}"
	}
	text, err := json.Marshal((&fitter{root: schema, left: largestFit}).fit(schema, 0))
	if err != nil { // made of what JSON gave
		return "{}"
	}
	return string(text)
}

func (f *fitter) fit(schema map[string]any, depth int) any {
	if f.left--; depth > deepestFit || f.left < 0 {
		return nil
	}
	if value, given := schema["const"]; given {
		return value
	}
	if choices, _ := schema["enum"].([]any); len(choices) > 0 {
		return choices[0]
	}
	if inner := f.inside(schema); inner != nil {
		return f.fit(inner, depth+1)
	}
	switch typeOf(schema) {
	case "object":
		object := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		if f.left -= len(properties); f.left < 0 {
			return object
		}
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			property, _ := properties[name].(map[string]any)
			if depth < deepestFit/2 || slices.Contains(asList(schema["required"]), any(name)) {
				object[name] = f.fit(property, depth+1)
			}
		}
		return object
	case "array":
		items, _ := schema["items"].(map[string]any)
		list := []any{}
		if depth >= deepestFit/2 && schema["minItems"] == nil {
			return list
		}
		for range max(1, min(100, number(schema["minItems"]))) {
			list = append(list, f.fit(items, depth+1))
		}
		return list
	case "integer", "number":
		return math.Ceil(max(float64(number(schema["minimum"])), 1))
	case "boolean":
		return true
	case "null":
		return nil
	default:
		return "text" + strings.Repeat("x", max(0, min(10_000, number(schema["minLength"]))-4))
	}
}

// inside is the schema that one stands for: the one it refers to or its first choice.
func (f *fitter) inside(schema map[string]any) map[string]any {
	if ref, _ := schema["$ref"].(string); ref != "" {
		at := f.root
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#"), "/") {
			if step != "" {
				at, _ = at[step].(map[string]any)
			}
		}
		return at
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if choices := asList(schema[key]); len(choices) > 0 {
			choice, _ := choices[0].(map[string]any)
			return choice
		}
	}
	return nil
}

// typeOf is the type, the first of several that is not null.
func typeOf(schema map[string]any) string {
	kinds := asList(schema["type"])
	if kind, ok := schema["type"].(string); ok {
		kinds = []any{kind}
	}
	for _, k := range kinds {
		if kind, _ := k.(string); kind != "null" || len(kinds) == 1 {
			return kind
		}
	}
	if schema["properties"] != nil {
		return "object"
	}
	return ""
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func number(v any) int {
	n, _ := v.(float64)
	return int(max(-1e9, min(1e9, n)))
}
