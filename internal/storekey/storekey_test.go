package storekey

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for key, want := range map[string]string{
		"":      "the key is empty",
		"k":     "",
		"keys":  "",
		"keyéé": "the key is 7 bytes long; the longest is 4",
	} {
		err := Check(key, 4)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", key, err, want)
		}
	}
}
