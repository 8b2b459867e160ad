package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"codexauth/internal/jsonedit"
	"codexauth/internal/toolfile"
)

// outputLimit is how many tokens an answer may have, as the tools want to be told; the
// backend takes no such number.
const outputLimit = 128_000

// contextOr is the context of a model whose list does not tell it.
func (m Model) context() int64 {
	if m.Context == 0 {
		return 200_000
	}
	return m.Context
}

func opencode() Tool {
	return Tool{
		Name: "opencode", Title: "opencode", Run: `opencode run "hello"`,
		programs: []string{"opencode"}, dirs: []string{"$XDG_CONFIG_HOME/opencode|~/.config/opencode"},
		targets: opencodeTargets,
		logins:  func() []string { return jsonNames("$XDG_DATA_HOME/opencode|~/.local/share/opencode", "auth.json") },
	}
}

func opencodeTargets(dir string, b Broker) ([]Target, error) {
	models := map[string]any{}
	for _, m := range b.Models {
		models[m.ID] = map[string]any{
			"name": m.ID, "reasoning": true, "tool_call": true, "attachment": true,
			"limit": map[string]any{"context": m.context(), "output": outputLimit},
		}
	}
	choice := provider + "/" + b.Models[0].ID
	return []Target{{
		Path: firstOf(dir, "opencode.jsonc", "opencode.json", "config.json", "opencode.json"),
		Edit: entries{b.URL, []entry{
			{path: []string{"$schema"}, value: "https://opencode.ai/config.json", keep: true},
			{path: []string{"provider", provider}, value: map[string]any{
				"npm": "@ai-sdk/openai", "name": "ChatGPT (codexauth)", "models": models,
				"options": map[string]any{"baseURL": b.URL, "apiKey": "{file:" + filepath.ToSlash(b.KeyFile) + "}"},
			}},
			{path: []string{"model"}, value: choice},
			{path: []string{"small_model"}, value: provider + "/" + small(b.Models)},
		}},
	}}, nil
}

// small is the model for titles and the like.
func small(models []Model) string {
	for _, m := range models {
		if strings.Contains(m.ID, "mini") {
			return m.ID
		}
	}
	return models[0].ID
}

// firstOf is the first of these files that is there, otherwise the last.
func firstOf(dir string, names ...string) (path string) {
	for _, name := range names {
		path = filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return path
}

func pi() Tool {
	return Tool{
		Name: "pi", Title: "pi", Run: `pi -p "hello"`,
		programs: []string{"pi"}, dirs: []string{"$PI_CODING_AGENT_DIR|~/.pi/agent"},
		targets: piTargets,
		logins:  func() []string { return jsonNames("$PI_CODING_AGENT_DIR|~/.pi/agent", "auth.json") },
	}
}

func piTargets(dir string, b Broker) ([]Target, error) {
	var models []any
	for _, m := range b.Models {
		models = append(models, map[string]any{
			"id": m.ID, "reasoning": true, "input": []string{"text", "image"}, "contextWindow": m.context(), "maxTokens": outputLimit,
		})
	}
	// A command prints the key, so that it stands in one file alone. On Windows there
	// is no telling which shell would run it.
	key, secret := "!cat '"+strings.ReplaceAll(b.KeyFile, "'", `'\''`)+"'", false
	if runtime.GOOS == "windows" {
		key, secret = b.Key, true
	}
	return []Target{
		{filepath.Join(dir, "models.json"), entries{b.URL, []entry{
			{path: []string{"providers", provider}, value: map[string]any{
				"name": "ChatGPT (codexauth)", "baseUrl": b.URL, "api": "openai-responses", "apiKey": key, "models": models,
			}},
		}}, secret},
		{filepath.Join(dir, "settings.json"), entries{b.URL, []entry{
			{path: []string{"defaultProvider"}, value: provider},
			{path: []string{"defaultModel"}, value: b.Models[0].ID, follows: true},
		}}, false},
	}, nil
}

func cline() Tool {
	return Tool{
		Name: "cline", Title: "Cline's command line", Run: `cline "hello"`,
		programs: []string{"cline"}, dirs: []string{"~/.cline"},
		targets: clineTargets, logins: clineLogins,
	}
}

const clineProvider = "openai-compatible"

func clineTargets(dir string, b Broker) ([]Target, error) {
	return []Target{{filepath.Join(dir, "data", "settings", "providers.json"), entries{b.URL, []entry{
		{path: []string{"version"}, value: 1, keep: true},
		{path: []string{"modes"}, value: map[string]any{}, keep: true},
		{path: []string{"providers", clineProvider}, value: map[string]any{
			"settings":  map[string]any{"provider": clineProvider, "apiKey": b.Key, "model": b.Models[0].ID, "baseUrl": b.URL},
			"updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual", // a time must be there; any will do
		}},
		{path: []string{"lastUsedProvider"}, value: clineProvider},
	}}, true}}, nil
}

// clineLogins are the providers that it has a key or a login for, without ours.
func clineLogins() (names []string) {
	value := readJSON("~/.cline", "data", "settings", "providers.json")
	top, _ := value.(map[string]any)
	all, _ := top["providers"].(map[string]any)
	set := false
	if path, err := place("~/.cline/data/settings/providers.json"); err == nil {
		set = toolfile.IsSetUp(path)
	}
	for _, name := range keysOf(all) {
		one, _ := all[name].(map[string]any)
		settings, _ := one["settings"].(map[string]any)
		holds := settings["apiKey"] != nil || settings["auth"] != nil
		if holds && !(set && name == clineProvider) {
			names = append(names, name)
		}
	}
	return names
}

func continueDev() Tool {
	return Tool{
		Name: "continue", Title: "Continue", Run: `cn -p "hello"`,
		programs: []string{"cn"}, dirs: []string{"$CONTINUE_GLOBAL_DIR|~/.continue"},
		targets: continueTargets,
		logins: func() []string {
			if readJSON("$CONTINUE_GLOBAL_DIR|~/.continue", "auth.json") == nil {
				return nil
			}
			return []string{"continue"}
		},
	}
}

var errOldContinue = errors.New("the settings of Continue are in config.json, which it no longer reads once there is a config.yaml; move them to that first")

func continueTargets(dir string, b Broker) ([]Target, error) {
	path := filepath.Join(dir, "config.yaml")
	if _, err := os.Lstat(path); err != nil {
		if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
			return nil, errOldContinue
		}
	}
	items := func(dash string) string {
		var out strings.Builder
		for _, m := range b.Models {
			fmt.Fprintf(&out, "%sname: %s\n  provider: openai\n  model: %s\n  apiBase: %s\n  apiKey: %s\n  roles: [chat, edit, apply]\n  capabilities: [tool_use, image_input]\n",
				dash, yamlText(m.ID+" (codexauth)"), yamlText(m.ID), yamlText(b.URL), yamlText(b.Key))
		}
		return out.String()
	}
	return []Target{{path, block{"models", items, "name: Local Config\nversion: 1.0.0\nschema: v1\n"}, true}}, nil
}

// yamlText is a text as YAML reads it, in double quotes as in JSON.
func yamlText(text string) string { return fmt.Sprintf("%q", text) }

func readJSON(dir string, parts ...string) any {
	dir, err := place(dir)
	if err != nil {
		return nil
	}
	f, err := toolfile.Read(filepath.Join(append([]string{dir}, parts...)...))
	if err != nil {
		return nil
	}
	value, err := jsonedit.Value(f.Text)
	if err != nil {
		return nil
	}
	return value
}

func jsonNames(dir, name string) []string { return keysOf(readJSON(dir, name)) }
