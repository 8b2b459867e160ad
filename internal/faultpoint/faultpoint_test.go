package faultpoint

import "testing"

func TestEveryPointHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if p.String() == "" || seen[p.String()] {
			t.Errorf("point %d is called %q", int(p), p)
		}
		seen[p.String()] = true
	}
}
