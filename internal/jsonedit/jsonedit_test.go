package jsonedit

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"},
		{"empty", "{}", "{\n  \"a\": {\n    \"b\": 1\n  }\n}"},
		{"comment alone", "// mine\n", "// mine\n{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"},
		{"mark", bom + "{}\n", bom + "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"},
		{"another", "{\n\t\"x\": 1\n}\n", "{\n\t\"x\": 1,\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n"},
		{"trailing comma", "{\n    \"x\": 1, // one\n}\n", "{\n    \"x\": 1, // one\n    \"a\": {\n        \"b\": 1\n    },\n}\n"},
		{"comment behind", "{\n  \"x\": 1 // one\n  // end\n}", "{\n  \"x\": 1, // one\n  // end\n  \"a\": {\n    \"b\": 1\n  }\n}"},
		{"one line", `{ "x": 1 }`, "{ \"x\": 1, \"a\": {\n  \"b\": 1\n} }"},
		{"inside", "{\n  \"a\": { \"c\": [1, 2,], /* d */ }\n}", "{\n  \"a\": { \"c\": [1, 2,], /* d */ \"b\": 1, }\n}"},
		{"there", "{\"a\":{\"b\":  {\"old\":true} } }", "{\"a\":{\"b\":  1 } }"},
		{"windows", "{\r\n  \"x\": 1\r\n}\r\n", "{\r\n  \"x\": 1,\r\n  \"a\": {\r\n    \"b\": 1\r\n  }\r\n}\r\n"},
		{"only a comment in it", "{ // c\n}", "{ // c\n  \"a\": {\n    \"b\": 1\n  }\n}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Set(c.text, 1, "a", "b")
			if err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			raw, found, err := Get(got, "a", "b")
			if raw != "1" || !found || err != nil {
				t.Errorf("it has %q, %v, %v", raw, found, err)
			}
		})
	}
}

// What was set and is taken out again leaves the rest as it was.
func TestRemove(t *testing.T) {
	for _, text := range []string{
		"{\n  \"x\": 1\n}\n", "{\n  \"x\": 1, // one\n}\n", "{\n  \"x\": 1 // one\n}", "{}", "{ \"x\": 1 }", "{ // c\n}",
		"{\n  // a, \"b\": {\n  \"x\": \"// no comment\"\n}", "{\"x\":1}",
	} {
		with, err := Set(text, map[string]any{"n": []int{1}}, "a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Remove(with, "a")
		if err != nil || got != text {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`{"a":1,"b":2}`:                                 "{\"b\":2}",
		"{\n  \"a\": 1, // of a\n  \"b\": 2\n}":         "{ // of a\n  \"b\": 2\n}",
		"{\n  // of a\n  \"a\": 1,\n  \"b\": 2\n}":      "{\n  // of a\n  \"b\": 2\n}",
		"{\n  \"b\": 2, // of b\n  \"a\": 1\n}":         "{\n  \"b\": 2 // of b\n}",
		"{\n  \"b\": 2, /* of b */\n  \"a\": 1 // c\n}": "{\n  \"b\": 2 /* of b */ // c\n}",
		`{"b":{"a":1}}`:                                 `{"b":{"a":1}}`,
	} {
		if got, err := Remove(text, "a"); err != nil || got != want {
			t.Errorf("%q became %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, text := range []string{
		"{", "{a: 1}", "{'a': 1}", "[", `{"a" 1}`, `{"a":1,,}`, `{"a":1} x`, `{"a":tru}`, "{/*", `{"a":"`, `{"a":+1}`,
		`{"a":s3cret}`, strings.Repeat("[", 10_000), "{\"a\":\"line\nbreak\"}",
	} {
		_, err := Set(text, 1, "a")
		if !errors.Is(err, ErrSyntax) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, text := range []string{"[]", "1", `{"a":[]}`, `{"a":1}`, `{"a":{},"a":{}}`, `{"a":null}`} {
		if got, err := Set(text, 1, "a", "b"); !errors.Is(err, ErrShape) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}

// Whatever is set in whatever is valid, nothing else changes.
func FuzzSet(f *testing.F) {
	for _, text := range []string{"", "{}", "{\"x\":1,}", "{\n \"a\":{} // c\n}", "/**/{\"a\":{\"b\":[1,],},}", bom + "{ }\r\n"} {
		f.Add(text, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		if strings.ToValidUTF8(a+b, "") != a+b {
			t.Skip("a name that no JSON has")
		}
		before, err := Value(text)
		if err != nil {
			t.Skip("no JSON")
		}
		edited, err := Set(text, "new", a, b)
		if err != nil {
			return
		}
		if raw, found, err := Get(edited, a, b); err != nil || !found || raw != `"new"` {
			t.Fatalf("%q has %q, %v, %v", edited, raw, found, err)
		}
		if m, ok := before.(map[string]any); !ok || m[a] != nil {
			return
		}
		again, err := Remove(edited, a)
		if err != nil {
			t.Fatalf("%q: %v", edited, err)
		}
		if after, err := Value(again); err != nil || !reflect.DeepEqual(after, before) {
			t.Fatalf("%q, then %q, then %q: %v", text, edited, again, err)
		}
	})
}
