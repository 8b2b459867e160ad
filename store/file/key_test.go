package file

import (
	"strings"
	"testing"
)

func TestEncodeKey(t *testing.T) {
	for key, want := range map[string]string{
		"work": "work", "Work": "%57ork", "con": "con", "../x": "%2e%2e%2fx", "a.": "a%2e",
		"a%41": "a%2541", "ü": "%c3%bc", "0_-z": "0_-z", "\x00": "%00",
		strings.Repeat("x", 200): strings.Repeat("x", 200),
		strings.Repeat("X", 66):  strings.Repeat("%58", 66),
	} {
		got, err := encodeKey(key)
		if err != nil || got != want {
			t.Errorf("encodeKey(%q) = %q, %v, want %q", key, got, err, want)
		}
		if back, ok := decodeKey(got); !ok || back != key {
			t.Errorf("decodeKey(%q) = %q, %t, want %q", got, back, ok, key)
		}
	}
	for _, key := range []string{"", strings.Repeat("x", 201), strings.Repeat("X", 67)} {
		if got, err := encodeKey(key); err == nil {
			t.Errorf("encodeKey(%q) = %q, want an error", key, got)
		}
	}
}

// TestDecodeKey: a name that encodeKey does not return is somebody else's file.
func TestDecodeKey(t *testing.T) {
	for _, name := range []string{
		"", "Work", "a.b", "a.tmp", "%", "%5", "%5g", "%2E", "%61", "ü", "a b", "a/b", strings.Repeat("x", 201),
	} {
		if key, ok := decodeKey(name); ok {
			t.Errorf("decodeKey(%q) = %q, want none", name, key)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add("work", "Work")
	f.Add("a.", "a")
	f.Add("%41", "A")
	f.Fuzz(func(t *testing.T, a, b string) {
		nameA, errA := encodeKey(a)
		nameB, errB := encodeKey(b)
		if errA == nil {
			if back, ok := decodeKey(nameA); !ok || back != a {
				t.Errorf("decodeKey(encodeKey(%q)) = %q, %t", a, back, ok)
			}
			if strings.Trim(nameA, plain+"%") != "" {
				t.Errorf("encodeKey(%q) = %q holds other than plain bytes", a, nameA)
			}
		}
		if errA == nil && errB == nil && a != b && strings.EqualFold(nameA, nameB) {
			t.Errorf("%q and %q share the name %q", a, b, nameA)
		}
		if key, ok := decodeKey(a); ok {
			if again, err := encodeKey(key); err != nil || again != a {
				t.Errorf("encodeKey(decodeKey(%q)) = %q, %v", a, again, err)
			}
		}
	})
}
