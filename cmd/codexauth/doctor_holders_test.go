package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
)

// entryOf is a login as opencode keeps it.
func entryOf(t *testing.T, c stored) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"other": map[string]any{"type": "api", "key": "PLANTED"}, "openai": map[string]any{"type": "oauth", "access": c.AccessToken, "refresh": c.RefreshToken, "expires": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Wherever else on this machine the refresh token of a login stands, it is found, and
// what is said of it helps.
func TestDoctorFindsOtherHolders(t *testing.T) {
	home := func(b *box, path string) string {
		path = filepath.Join(filepath.Dir(b.home), filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Error(err)
		}
		return path
	}
	tests := map[string]struct {
		put   func(t *testing.T, b *box, c stored)
		state string
		says  []string
		helps []string // what to run
	}{
		"nowhere": {func(*testing.T, *box, stored) {}, isOK, []string{"looked at no other places: no refresh token"}, nil},
		"opencode": {func(t *testing.T, b *box, c stored) {
			write(t, home(b, ".local/share/opencode/auth.json"), entryOf(t, c))
		}, isProblem, []string{"auth.json has the refresh token of the login of profile default", "--profile default import --from opencode "}, []string{"--profile", "default", "import", "--from", "opencode"}},
		"a spent token": {func(t *testing.T, b *box, c stored) {
			b.run(t, "refresh")
			write(t, home(b, ".local/share/opencode/auth.json"), entryOf(t, c))
		}, isProblem, []string{"has a spent refresh token of the login of profile default"}, []string{"import", "--from", "opencode"}},
		"Cline, in a text within the text": {func(t *testing.T, b *box, c stored) {
			inner, _ := json.Marshal(c)
			outer, _ := json.Marshal(map[string]string{"openai-codex-oauth-credentials": string(inner)})
			write(t, home(b, ".cline/data/secrets.json"), string(outer))
		}, isProblem, []string{"secrets.json has", "quit Cline", "login --force"}, nil},
		"Hermes": {func(t *testing.T, b *box, c stored) {
			write(t, home(b, ".hermes/auth.json"), `{"providers":{"openai-codex":{"tokens":{"refresh_token":"`+c.RefreshToken+`"}}}}`)
		}, isProblem, []string{"quit Hermes"}, nil},
		"a backup": {func(t *testing.T, b *box, c stored) {
			write(t, home(b, ".codex/auth.json.bak"), authJSON(t, c.AccessToken, c.RefreshToken))
		}, isWarning, []string{"auth.json.bak has", "delete it: rm "}, nil},
		"a backup of a spent token": {func(t *testing.T, b *box, c stored) {
			b.run(t, "refresh")
			write(t, home(b, ".codex/auth.json.bak"), authJSON(t, c.AccessToken, c.RefreshToken))
		}, isOK, nil, nil},
		"a torn file": {func(t *testing.T, b *box, c stored) {
			write(t, home(b, ".pi/agent/auth.json"), `{"openai-codex":{"refresh":"`+c.RefreshToken+`","acc`)
		}, isProblem, []string{"quit pi"}, nil},
		"an old store": {func(t *testing.T, b *box, c stored) {
			dir := filepath.Join(t.TempDir(), "old")
			auth := write(t, filepath.Join(t.TempDir(), "auth.json"), authJSON(t, c.AccessToken, c.RefreshToken))
			for _, args := range [][]string{{"--store", "file:" + dir, "import", "--copy-dangerous", auth}, {"--profile", "old", "config", "set", "store", "file:" + dir}} {
				if r := b.run(t, args...); r.code != verdict.Done {
					t.Fatal(r.stderr)
				}
			}
		}, isProblem, []string{"profile default in the store ", "logout --local"}, nil},
		"another profile": {func(t *testing.T, b *box, c stored) {
			auth := write(t, filepath.Join(t.TempDir(), "auth.json"), authJSON(t, c.AccessToken, c.RefreshToken))
			if r := b.run(t, "--profile", "twin", "import", "--copy-dangerous", auth); r.code != verdict.Done {
				t.Fatal(r.stderr)
			}
		}, isProblem, []string{"profile twin has the refresh token of the login of profile default", "--profile twin logout --local"}, []string{"--profile", "twin", "logout", "--local"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPatient(t)
			c := b.stored(t)
			tt.put(t, b, c)
			rep := b.doctor(t)
			rep.want(t, "other_holders", tt.state, tt.says...)
			if said := rep.check(t, "other_holders").Detail; strings.Contains(said, c.RefreshToken) || strings.Contains(said, "PLANTED") {
				t.Error("it shows what is in a file")
			}
			if tt.helps == nil {
				return
			}
			if r := b.run(t, tt.helps...); r.code != verdict.Done {
				t.Fatal(r.stderr)
			}
			if rep := b.doctor(t); rep.check(t, "other_holders").State == isProblem {
				t.Errorf("it did not help: %+v", rep.check(t, "other_holders"))
			}
			if r := b.run(t, "refresh"); r.code != verdict.Done {
				t.Error(r.stderr)
			}
		})
	}
}
