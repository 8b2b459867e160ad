package codexcli

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func provider() Provider {
	return Provider{
		BaseURL: "https://backend.example/codex", Command: `/opt/a "b"\c/codexauth`, Args: []string{"--profile", "wörk", "token"},
		Timeout: 30 * time.Second, Refresh: 5 * time.Minute, Headers: map[string]string{"ChatGPT-Account-ID": "acc", "a": "b"},
	}
}

// Texts that can be edited, and come back byte for byte.
var editable = map[string]string{
	"nothing":           "",
	"a comment":         "# mine\n",
	"no end of line":    "model = \"x\"",
	"its own provider":  "# a\nmodel_provider = \"openai\" # dear\nmodel = \"x\"\n[a]\nb = 1\n",
	"only that":         "model_provider='x'",
	"quoted key":        "  \"model_provider\" = \"x\"\n",
	"CRLF":              "model_provider = \"x\"\r\nmodel = \"y\"\r\n[a]\r\n",
	"byte order mark":   "\ufeffmodel_provider = \"x\"\n",
	"mark, other key":   "\ufeffmodel = \"x\"\n",
	"other providers":   "[model_providers.mine]\nname = \"m\"\n[profiles.p]\nmodel_provider = \"mine\"\n",
	"a table of them":   "[model_providers]\nmine = { name = \"m\" }\n",
	"in a later table":  "[profiles.p]\nmodel_provider = \"x\"",
	"in a long string":  "a = \"\"\"\nmodel = 1\n[x]\n\"\"\"\n",
	"many empty lines":  "\n\n\n",
	"dates and floats":  "a = 2026-07-01T10:31:00Z\nb = 1.5\nc = [1, 2]\n",
	"comment like ours": "# <<< codexauth setup\n# >>> something\n",
}

func TestSetUpAndUndo(t *testing.T) {
	p := provider()
	for name, text := range editable {
		t.Run(name, func(t *testing.T) {
			edited, err := p.SetUp(text)
			if err != nil {
				t.Fatal(err)
			}
			values, err := parse(edited)
			if err != nil {
				t.Fatal(err)
			}
			mine := values["model_providers"].(map[string]any)[ProviderName].(map[string]any)
			auth := mine["auth"].(map[string]any)
			if values["model_provider"] != ProviderName || mine["base_url"] != p.BaseURL || auth["command"] != p.Command ||
				auth["args"].([]any)[1] != "wörk" || auth["timeout_ms"] != int64(30000) || auth["refresh_interval_ms"] != int64(300000) ||
				mine["http_headers"].(map[string]any)["ChatGPT-Account-ID"] != "acc" {
				t.Errorf("set up as %v", values)
			}
			again, err := p.SetUp(edited)
			if err != nil || again != edited {
				t.Errorf("a second time it is %q, %v", again, err)
			}
			other := p
			other.Args = nil
			if changed, err := other.SetUp(edited); err != nil {
				t.Error(err)
			} else if back, err := Undo(changed); err != nil || back != text {
				t.Errorf("after a change, undo gives %q, %v", back, err)
			}
			if back, err := Undo(edited); err != nil || back != text {
				t.Errorf("undo gives %q, %v; want %q", back, err, text)
			}
		})
	}
}

// Texts that are left alone, since editing them could break them.
func TestSetUpRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"not TOML":        "model = \"sk-planted\nx",
		"a namesake":      "[model_providers.codexauth]\nname = \"mine\"\n",
		"inline table":    "model_providers = { mine = { name = \"m\" } }\n",
		"escaped key":     "\"model\\u005fprovider\" = \"x\"\n",
		"many lines":      "model_provider = \"\"\"\nx\"\"\"\n",
		"in a string":     "a = \"\"\"\nmodel_provider = \"q\"\n\"\"\"\nmodel_provider = \"x\"\n",
		"a line is left":  savedMark + "model_provider = \"x\"\n",
		"half of a block": topLine + "\n" + beginBlock + "\n[model_providers.codexauth]\n",
	} {
		t.Run(name, func(t *testing.T) {
			if edited, err := provider().SetUp(text); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "planted") {
				t.Errorf("got %q, %v", edited, err)
			}
		})
	}
}

// What others put between our lines stays.
func TestUndoKeepsOthers(t *testing.T) {
	edited, err := provider().SetUp("model = \"x\"")
	if err != nil {
		t.Fatal(err)
	}
	edited = strings.Replace(edited, topLine+"\n", topLine+"\nsandbox = true\n", 1)
	edited = strings.Replace(edited, endBlock, "[mcp.a]\nb = 1\n"+endBlock+"\n[later]\nc = 2\n", 1)
	back, err := Undo(edited)
	if want := "sandbox = true\nmodel = \"x\"\n[mcp.a]\nb = 1\n[later]\nc = 2\n"; err != nil || strings.TrimRight(back, "\n") != strings.TrimRight(want, "\n") {
		t.Errorf("undo gives %q, %v", back, err)
	}
	chosen := strings.Replace(edited, topLine, `model_provider = "other"`, 1)
	if back, err := Undo(chosen); err != nil || !strings.HasPrefix(back, "model_provider = \"other\"\n") {
		t.Errorf("undo of what somebody changed gives %q, %v", back, err)
	}
	both, err := provider().SetUp("model_provider = \"x\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Undo(strings.Replace(both, topLine, `model_provider = "other"`, 1)); !errors.Is(err, ErrConfig) {
		t.Errorf("two providers would be left: %v", err)
	}
}

func FuzzSetUp(f *testing.F) {
	for _, text := range editable {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		edited, err := provider().SetUp(text)
		if err != nil {
			return
		}
		plain, err := Undo(text)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Undo(edited); err != nil || back != plain {
			t.Errorf("undo gives %q, %v; want %q", back, err, plain)
		}
		if again, err := provider().SetUp(edited); err != nil || again != edited {
			t.Errorf("a second time it is %q, %v; want %q", again, err, edited)
		}
	})
}

func TestConfigFile(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new")
	c, err := ReadConfig(home)
	if err != nil || c.Text != "" {
		t.Fatalf("no file: %q, %v", c.Text, err)
	}
	if backup, err := c.Replace("a = 1\n", true); err != nil || backup != "" {
		t.Fatalf("%q, %v", backup, err)
	}
	if c, err = ReadConfig(home); err != nil || c.Text != "a = 1\n" {
		t.Fatalf("%q, %v", c.Text, err)
	}
	if err := os.Chmod(c.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if c, err = ReadConfig(home); err != nil {
		t.Fatal(err)
	}
	backup, err := c.Replace("b = 2\n", true)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(backup); err != nil || string(kept) != "a = 1\n" {
		t.Errorf("the backup is %q, %v", kept, err)
	}
	if info, err := os.Stat(c.Path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if c, err = ReadConfig(home); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Replace("", false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Path); !os.IsNotExist(err) {
		t.Errorf("an empty file is left: %v", err)
	}
}
