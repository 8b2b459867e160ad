package alert

import "testing"

// Windows takes names that differ in case for one variable.
func TestVariablesOfAnotherEventInAnyCase(t *testing.T) {
	if kept := withoutOurs([]string{"CodexAuth_Event_Code=old", "CODEXAUTH_EVENT=old", "Path=x"}); len(kept) != 1 || kept[0] != "Path=x" {
		t.Errorf("kept %q", kept)
	}
}
