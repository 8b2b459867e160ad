package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// The backend's sentences.

func refuseDetail(param, format string, args ...any) *BodyError {
	return &BodyError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Param: param, detail: true}
}

func refuseBody(param, code, format string, args ...any) *BodyError {
	return &BodyError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Param: param, Code: code}
}

func unknownParam(path string) *BodyError {
	return refuseBody(path, "unknown_parameter", "Unknown parameter: '%.120s'.", path)
}

func missing(path string) *BodyError {
	return refuseBody(path, "missing_required_parameter", "Missing required parameter: '%s'.", path)
}

func wrongType(path, want string, got any) *BodyError {
	return refuseBody(path, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", path, want, kindOf(got))
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// oneOf wants one of a few words.
func oneOf(v any, path string, words []string) *BodyError {
	text, ok := v.(string)
	if !ok {
		return wrongType(path, "one of "+listed(words), v)
	}
	if !slices.Contains(words, text) {
		return refuseBody(path, "invalid_value", "Invalid value: '%.64s'. Supported values are: %s.", text, listed(words))
	}
	return nil
}

// notWith is for a word that the backend knows and the model does not take.
func notWith(v any, path string, model Model, words []string) *BodyError {
	text, ok := v.(string)
	switch {
	case !ok:
		return wrongType(path, "one of "+listed(words), v)
	case slices.Contains(words, text):
		return nil
	case len(words) == 0:
		return unsupportedWith(path, model)
	}
	return refuseBody(path, "unsupported_value", "Unsupported value: '%.64s' is not supported with the '%s' model. Supported values are: %s.", text, model.Slug, listed(words))
}

func unsupportedWith(path string, model Model) *BodyError {
	return refuseBody(path, "unsupported_parameter", "Unsupported parameter: '%s' is not supported with the '%s' model.", path, model.Slug)
}

// listed writes 'a', 'b', and 'c'.
func listed(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + w + "'"
	}
	switch n := len(quoted); n {
	case 0:
		return "none"
	case 1, 2:
		return strings.Join(quoted, " and ")
	default:
		return strings.Join(quoted[:n-1], ", ") + ", and " + quoted[n-1]
	}
}

func onlyKeys(object map[string]any, path string, known ...string) *BodyError {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, key) {
			return unknownParam(path + "." + key)
		}
	}
	return nil
}

// longest is how long names and ids may be.
const longest = 64

func checkLength(text, path string) *BodyError {
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return refuseBody(path, "empty_string", "Invalid '%s': empty string. Expected a string with minimum length 1, but got an empty string instead.", path)
	case n > longest:
		return refuseBody(path, "string_above_max_length", "Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", path, longest, n)
	}
	return nil
}

// isName reports whether text matches ^[a-zA-Z0-9_-]+$.
func isName(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return text != "" && strings.Trim(text, letters) == ""
}

func checkName(v any, given bool, path string) *BodyError {
	name, ok := v.(string)
	if !given {
		return missing(path)
	} else if !ok {
		return wrongType(path, "a string", v)
	}
	if refused := checkLength(name, path); refused != nil {
		return refused
	}
	if !isName(name) {
		return refuseBody(path, "invalid_value", "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", path)
	}
	return nil
}

// checkID wants an id as the backend gives them: the prefix of its type, then
// letters, digits, _ and -.
func checkID(v any, prefix, path string) *BodyError {
	id, ok := v.(string)
	switch {
	case !ok:
		return wrongType(path, "an ID string", v)
	case id == "" || !strings.HasPrefix(id, prefix):
		return refuseBody(path, "invalid_value", "Invalid '%s': '%.64s'. Expected an ID that begins with '%s'.", path, id, prefix)
	case utf8.RuneCountInString(id) > longest:
		return checkLength(id, path)
	case !isName(id):
		return refuseBody(path, "invalid_value", "Invalid '%s': '%.64s'. Expected an ID that contains letters, numbers, underscores, or dashes, but this value contained additional characters.", path, id)
	}
	return nil
}
