package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// TestSetupTools: a tool that `setup` has pointed at a broker answers, started as its
// own documentation says, with no variable of ours and no file edited by hand; after
// --undo its files are as they were, byte for byte, and its key is gone.
func TestSetupTools(t *testing.T) {
	t.Parallel()
	for _, tool := range []struct {
		name  string
		path  string            // at the broker
		files map[string]string // in the home directory, before; "" where there is none
	}{
		{"opencode", "/v1/responses", map[string]string{
			".config/opencode/opencode.jsonc": "{\n  // mine\n  \"model\": \"anthropic/mine\", // dear\n  \"autoupdate\": false,\n  \"permission\": { \"*\": \"allow\", },\n}\n",
		}},
		{"continue", "/v1/responses", map[string]string{
			".continue/config.yaml": "name: mine # dear\nversion: 1.0.0\nschema: v1\nmodels:\n  # local\n  - name: theirs\n    provider: ollama\n    model: x\n",
		}},
		{"pi", "/v1/responses", map[string]string{
			".pi/agent/settings.json": "{\"defaultProvider\":\"anthropic\",\"theme\":\"dark\"}",
			".pi/agent/models.json":   "{\n  // mine\n  \"providers\": {\n    \"local\": { \"baseUrl\": \"http://127.0.0.1:9/v1\", \"api\": \"openai-completions\", \"apiKey\": \"x\", \"models\": [{ \"id\": \"x\" }] }\n  }\n}\n",
		}},
		{"cline", "/v1/chat/completions", map[string]string{".cline/data/settings/providers.json": ""}},
	} {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, time.Hour)
			home := filepath.Dir(st.cli.Home)
			for name, text := range tool.files {
				if text == "" {
					continue
				}
				path := filepath.Join(home, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				writeText(t, path, text)
			}
			agent := st.cli.Tool(t, tool.name)
			server := st.cli.StartServe(t, "--listen", "127.0.0.1:0")
			r := st.cli.Run(t, "setup", tool.name, "--url", server.URL, "--model", "gpt-5.5", "--json")
			var said struct{ Broker string }
			if err := json.Unmarshal([]byte(r.Stdout), &said); err != nil || r.Code != exitDone || said.Broker != "ready" {
				t.Fatalf("setup: exit %d, %q, %q", r.Code, r.Stdout, r.Stderr)
			}

			st.tap.Forget()
			job := rig.StartJob(t, agent.Command(rig.Way{}, "hello, how are you?"))
			if r := job.Wait(t); r.Code != 0 || !strings.Contains(r.Stdout, "hello, how are you?") {
				t.Fatalf("exit %d; it answered %q and said %q", r.Code, r.Stdout, r.Stderr)
			}
			st.wantSigned(t)
			if log := server.Log(); !strings.Contains(log, `who="key `+tool.name+`"`) || !strings.Contains(log, "path="+tool.path+" ") || !strings.Contains(log, "model=gpt-5.5 ") {
				t.Errorf("the broker's log is %q", log)
			}

			wantCode(t, "setup --undo", st.cli.Run(t, "setup", tool.name, "--undo"), exitDone)
			for name, text := range tool.files {
				got, err := os.ReadFile(filepath.Join(home, name))
				if string(got) != text || text == "" && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is %q, %v", name, got, err)
				}
			}
			wantNothingLeft(t, home)
			if r := st.cli.Run(t, "serve", "key", "list"); strings.Contains(r.Stdout, tool.name) {
				t.Errorf("its key is left: %q", r.Stdout)
			}
		})
	}
}

// wantNothingLeft fails if a file in the home directory of a tool is one of ours.
func wantNothingLeft(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".codexauth-") {
			t.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
