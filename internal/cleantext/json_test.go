package cleantext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestJSON(t *testing.T) {
	const plain = `{"a":"Jürgen Żółć 山田 👍 é"}` + "\n"
	if got := JSON(plain); got != plain {
		t.Errorf("%q became %q", plain, got)
	}
	const text = "\u009b31m \u007f \u202e \u2066 \u200b \u2060 \ufeff \u00ad \u061c \u2028 \u3164 \u2800 \ufe0f \U000e0041 \U000e0100 \ue000"
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	got := JSON(string(encoded))
	if strings.ContainsFunc(got, func(r rune) bool { return r > '~' || unicode.IsControl(r) }) {
		t.Errorf("it shows %q", got)
	}
	var back string
	if err := json.Unmarshal([]byte(got), &back); err != nil || back != text {
		t.Errorf("it means %q, %v", back, err)
	}
}
