package main

import (
	"strings"
	"testing"

	"codexauth"
)

// TestCmdToken: what would end the quotes, or be replaced between them, is not given to
// cmd.exe.
func TestCmdToken(t *testing.T) {
	for _, given := range []codexauth.Token{
		{AccessToken: codexauth.NewSecret(`a" & calc.exe & "`)},
		{AccessToken: codexauth.NewSecret("a%PATH%")},
		{AccessToken: codexauth.NewSecret("a"), AccountID: "!PATH!"},
	} {
		err := cmdToken(nil, given)
		if err == nil || strings.Contains(err.Error(), "PATH") || strings.Contains(err.Error(), "calc") {
			t.Errorf("error %v", err)
		}
	}
}
