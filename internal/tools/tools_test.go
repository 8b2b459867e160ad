package tools

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codexauth/internal/jsonedit"
)

func TestEveryToolIsWhole(t *testing.T) {
	names := Names()
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("a name stands twice in %q", names)
	}
	b := Broker{URL: "http://127.0.0.1:1/v1", Key: "s3cret", KeyFile: "/keys/x", Models: []Model{{ID: "m1"}, {"m-mini", 5}}}
	for _, tool := range All() {
		if tool.Title == "" || tool.Writes() == (tool.paste != "") || tool.Writes() && (tool.Run == "" || len(tool.programs) == 0 || tool.logins == nil) {
			t.Errorf("%s is not whole", tool.Name)
		}
		if !tool.Writes() {
			text := tool.Paste(b.URL)
			if !strings.Contains(text, b.URL) || strings.Contains(text, "{url}") ||
				strings.Contains(text, "{key}") || strings.Contains(text, "{model}") || !strings.Contains(text, "KEY") {
				t.Errorf("%s: %q", tool.Name, text)
			}
			continue
		}
		t.Setenv("HOME", t.TempDir())
		targets, err := tool.Targets(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets {
			text, notes, err := target.Edit.SetUp("")
			if err != nil {
				t.Fatal(err)
			}
			// Where the key stands, nobody else may read.
			if strings.Contains(text, b.Key) && !target.Secret {
				t.Errorf("%s: the key is in %s, which others may read", tool.Name, target.Path)
			}
			if rest, err := target.Edit.TakeOut(text, notes); err != nil || strings.Contains(rest, b.URL) || strings.Contains(rest, provider) {
				t.Errorf("%s: after it was taken out there is %q, %v", tool.Name, rest, err)
			}
		}
	}
}

// What was there comes back, and what the program or a person wrote since stays.
func TestEntries(t *testing.T) {
	const url = "http://127.0.0.1:1/v1"
	e := entries{url, []entry{
		{path: []string{"s"}, value: "x", keep: true},
		{path: []string{"p", "codexauth"}, value: map[string]any{"u": url}},
		{path: []string{"model"}, value: "codexauth/m"},
		{path: []string{"with"}, value: "w", follows: true},
	}}
	const before = "{\n  // mine\n  \"s\": \"own\",\n  \"model\": \"mine/m\", // why\n}\n"
	text, notes, err := e.SetUp(before)
	if err != nil || !strings.Contains(text, "// mine") || !strings.Contains(text, `"model": "codexauth/m", // why`) || !strings.Contains(text, `"s": "own"`) {
		t.Fatalf("%q, %v", text, err)
	}
	for _, c := range []struct{ name, old, new, has, hasNot string }{
		{"as it was", "", "", `"model": "mine/m", // why`, `"with"`},
		{"another of ours", `"codexauth/m"`, `"codexauth/n"`, `"model": "mine/m"`, `"with"`},
		{"another's", `"codexauth/m"`, `"theirs/n"`, `"model": "theirs/n"`, "codexauth"},
		{"that stays with it", `"codexauth/m"`, `"theirs/n"`, `"with": "w"`, "codexauth"},
		{"with more in it", `"u":`, `"more": 1, "u":`, "mine", "more"},
		{"pointed elsewhere", url, "http://elsewhere", "http://elsewhere", `"with"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rest, err := e.TakeOut(strings.ReplaceAll(text, c.old, c.new), notes)
			if c.old == "" {
				rest, err = e.TakeOut(text, notes)
			}
			if err != nil || !strings.Contains(rest, c.has) || strings.Contains(rest, c.hasNot) {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
	if rest, err := e.TakeOut(text, notes); err != nil || rest != before {
		t.Errorf("%q, %v", rest, err)
	}
	if _, err := e.TakeOut("{", notes); !errors.Is(err, jsonedit.ErrSyntax) {
		t.Errorf("%v", err)
	}
}

func testBlock() block {
	return block{"models", func(dash string) string { return dash + "name: \"m\"\n  key: k\n" }, "name: x\n"}
}

func TestBlock(t *testing.T) {
	b := testBlock()
	ours := func(indent string) string {
		return indent + blockBegin + "\n" + indent + "- name: \"m\"\n" + indent + "  key: k\n" + indent + blockEnd + "\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "name: x\nmodels:\n" + ours("  ")},
		{"no list", "name: y", "name: y\nmodels:\n" + ours("  ")},
		{"a list", "name: y\nmodels: # mine\n  # first\n  - name: z\n    roles:\n      - chat\nrules:\n  - r\n",
			"name: y\nmodels: # mine\n" + ours("  ") + "  # first\n  - name: z\n    roles:\n      - chat\nrules:\n  - r\n"},
		{"in the first column", "models:\n- name: z\nname: y\n", "models:\n" + ours("") + "- name: z\nname: y\n"},
		{"wide", "---\nmodels:\n    -   name: z\n", "---\nmodels:\n" + ours("    ") + "    -   name: z\n"},
		{"empty list", "models:\nname: y\n", "models:\n" + ours("  ") + "name: y\n"},
		{"at the end", "name: y\nmodels:", "name: y\nmodels:\n" + ours("  ")},
		{"in a text", "prompt: |\n  models:\n  - no\nname: y\n", "prompt: |\n  models:\n  - no\nname: y\nmodels:\n" + ours("  ")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := b.SetUp(c.text)
			if err != nil || got != c.want {
				t.Fatalf("%q, %v; want %q", got, err, c.want)
			}
			rest, err := b.TakeOut("# new\n"+got, nil)
			if err != nil || strings.Contains(rest, "key: k") || !strings.HasPrefix(rest, "# new\n") {
				t.Errorf("taken out: %q, %v", rest, err)
			}
			if crlf, _, err := b.SetUp(strings.ReplaceAll(c.text, "\n", "\r\n")); err != nil || c.text != "" && c.text != "name: y" && !strings.HasSuffix(c.text, "models:") && crlf != strings.ReplaceAll(c.want, "\n", "\r\n") {
				t.Errorf("with CRLF: %q, %v", crlf, err)
			}
		})
	}
	for _, text := range []string{
		"models: [a]\n", "models: []\n", "models:\n  a: b\n", "models: &x\n  - a\n", "models:\n\t- a\n", "{models: [a]}\n", "- a\n",
		"models:\n  - a\nmodels:\n  - b\n", "\"models\":\n  - a\n", "name: x\n---\nmodels:\n  - a\n", "? models\n: - a\n", "%YAML 1.2\n---\na: b\n",
		"name: x\n...\n", "just text\n", "!!map\nmodels:\n  - a\n", "<html>\n",
	} {
		if got, _, err := b.SetUp(text); !errors.Is(err, ErrYAML) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
	if _, err := b.TakeOut("models:\n  "+blockBegin+"\n  - a\n", nil); !errors.Is(err, errCut) {
		t.Errorf("cut: %v", err)
	}
}

// A list that was made for the block goes with it, unless somebody has put something in.
func TestBlockTakesItsListWithIt(t *testing.T) {
	b := testBlock()
	for before, want := range map[string]string{
		"name: y\n":          "name: y\n# new\n",
		"":                   "name: x\n# new\n",
		"name: y\nmodels:\n": "name: y\nmodels:\n# new\n", // theirs
	} {
		for _, end := range []string{"\n", "\r\n"} {
			before, want := strings.ReplaceAll(before, "\n", end), strings.ReplaceAll(want, "\n", end)
			got, notes, err := b.SetUp(before)
			if err != nil {
				t.Fatal(err)
			}
			if before == "" {
				got = strings.ReplaceAll(got, "\n", end)
			}
			if rest, err := b.TakeOut(got+"# new"+end, notes); err != nil || rest != want {
				t.Errorf("%q: %q, %v", before, rest, err)
			}
			mine := "  # mine" + end + "  - name: z" + end
			if rest, err := b.TakeOut(got+mine, notes); err != nil || !strings.HasSuffix(rest, "models:"+end+mine) {
				t.Errorf("%q with an item: %q, %v", before, rest, err)
			}
		}
	}
}

func TestLook(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("PATH", home)
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "PI_CODING_AGENT_DIR", "CONTINUE_GLOBAL_DIR"} {
		t.Setenv(name, "")
	}
	for _, tool := range All() {
		if f := tool.Look(); f.Here || f.Uses || f.Logins != nil {
			t.Errorf("on an empty machine: %+v", f)
		}
	}
	put := func(path, text string) {
		t.Helper()
		path = filepath.Join(home, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(".local/share/opencode/auth.json", `{"openai":{"type":"oauth"},"anthropic":{}}`)
	if opencode, _ := Find("opencode"); !opencode.Look().Here {
		t.Error("opencode has a login, and is not here")
	}
	put(".config/opencode/opencode.json", "{}")
	put(".cline/data/settings/providers.json", `{"providers":{"gemini":{"settings":{"apiKey":"k"}},"ollama":{"settings":{}}}}`)
	put(".pi/agent/auth.json", "no JSON")
	put(".continue/config.json", "{}")
	for name, want := range map[string]string{"opencode": "anthropic openai", "cline": "gemini", "pi": "", "continue": ""} {
		tool, _ := Find(name)
		if f := tool.Look(); !f.Here || f.Uses || strings.Join(f.Logins, " ") != want {
			t.Errorf("%s: %+v", name, f)
		}
	}
	old, _ := Find("continue")
	if _, err := old.Targets(Broker{}); !errors.Is(err, errOldContinue) {
		t.Errorf("with a config.json alone: %v", err)
	}
	t.Setenv("PI_CODING_AGENT_DIR", filepath.Join(home, "other"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "xdg"))
	for name, want := range map[string]string{"pi": "other", "opencode": "xdg/opencode"} {
		tool, _ := Find(name)
		targets, err := tool.Targets(Broker{})
		if err != nil || filepath.Dir(targets[0].Path) != filepath.Join(home, filepath.FromSlash(want)) {
			t.Errorf("%s: %v, %v", name, targets, err)
		}
	}
}
