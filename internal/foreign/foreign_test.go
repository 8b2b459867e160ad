package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/codexcli"
)

// home makes an empty home directory, in which no variable of this process's leads
// anywhere else.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE"} {
		t.Setenv(name, dir)
	}
	for _, name := range []string{"CODEX_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "PI_CODING_AGENT_DIR", "GOOSE_PATH_ROOT", "APPDATA", "CHATGPT_TOKEN_DIR", "CHATGPT_AUTH_FILE", "SUDO_UID"} {
		t.Setenv(name, "")
	}
	return dir
}

// keeps is where a tool keeps its login in a fresh home directory.
func keeps(tool string) string {
	switch tool {
	case "codex":
		return ".codex/auth.json"
	case "opencode":
		return ".local/share/opencode/auth.json"
	case "pi":
		return ".pi/agent/auth.json"
	case "cliproxyapi":
		return ".cli-proxy-api/codex-me@example.com-plus.json"
	case "litellm":
		return ".config/litellm/chatgpt/auth.json"
	}
	if runtime.GOOS == "windows" {
		return "AppData/Roaming/Block/goose/config/chatgpt_codex/tokens.json"
	}
	return ".config/goose/chatgpt_codex/tokens.json"
}

func put(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each tool's login is found where the tool keeps it, and taken out of there: the other
// logins of the file stay byte for byte, and a backup holds what went.
func TestEveryTool(t *testing.T) {
	for _, tool := range Tools() {
		t.Run(tool.Name, func(t *testing.T) {
			dir, name := home(t), tool.Name
			path := put(t, filepath.Join(dir, filepath.FromSlash(keeps(name))), golden(t, name+".json"))
			all := Find()
			if len(all) != 1 || all[0].Tool.Name != name || all[0].Path != path || all[0].Login == nil {
				t.Fatalf("found %+v", all)
			}
			login := all[0].Login
			if login.Login.RefreshToken.Reveal() != "rt_"+inGolden(name)+"-refresh" || login.Login.AccessToken.Reveal() != inGolden(name)+"-access" || login.Login.Account.ID != "acc-"+inGolden(name) {
				t.Errorf("the login is %+v", login.Auth)
			}
			unlock, err := tool.Lock(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := login.CanSetAside(); err != nil {
				t.Fatal(err)
			}
			backup, err := login.SetAside(t.Context())
			unlock()
			if err != nil || !strings.HasPrefix(filepath.Base(backup), filepath.Base(path)+".codexauth-backup-") {
				t.Fatalf("backup %q, %v", backup, err)
			}
			if saved, err := os.ReadFile(backup); err != nil || !strings.Contains(string(saved), login.Login.RefreshToken.Reveal()) {
				t.Errorf("the backup holds %q, %v", saved, err)
			}
			rest, err := os.ReadFile(path)
			if login.Others == 0 {
				if !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is still there: %v", path, err)
				}
				return
			}
			if want := golden(t, name+".rest.json"); string(rest) != string(want) {
				t.Errorf("what is left:\n%s\nwant:\n%s", rest, want)
			}
			for _, f := range Find() {
				if f.Login != nil || !f.HoldsNone() {
					t.Errorf("still found: %+v", f)
				}
			}
		})
	}
}

// inGolden is how the golden files call a tool.
func inGolden(name string) string {
	if name == "cliproxyapi" {
		return "cpa"
	}
	return name
}

// The backup of an entry can be imported as the file itself could.
func TestBackupOfAnEntryIsAFileOfTheTool(t *testing.T) {
	_, taken, err := without(golden(t, "opencode.json"), "openai")
	if err != nil {
		t.Fatal(err)
	}
	c, err := entryParser("openai")(taken)
	if err != nil || c.others != 0 || c.Login.RefreshToken.Reveal() != "rt_opencode-refresh" {
		t.Errorf("%+v, %v in %s", c, err, taken)
	}
}

func TestWithout(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":1,"x":2,"b":3}`:       `{"a":1,"b":3}`,
		`{"x":2, "b":3}`:            `{"b":3}`,
		"{\"a\" : 1 ,\n \"x\":2\n}": "{\"a\" : 1\n}",
		`{"x":2}`:                   `{}`,
		`{"a":"\"x\"","x":{"x":1}}`: `{"a":"\"x\""}`,
	} {
		rest, taken, err := without([]byte(data), "x")
		if err != nil || string(rest) != want || !json.Valid(taken) {
			t.Errorf("%s: %s, %s, %v", data, rest, taken, err)
		}
	}
}

func TestNotALogin(t *testing.T) {
	opencode, cpa := Named("opencode"), Named("cliproxyapi")
	tests := []struct {
		tool *Tool
		data string
		want error
	}{
		{opencode, ``, ErrMalformed},
		{opencode, `{"openai":{"type":"oauth"`, ErrMalformed},
		{opencode, `[]`, ErrMalformed},
		{opencode, `null`, ErrMalformed},
		{opencode, `{}`, codexcli.ErrNoLogin},
		{opencode, `{"openai":{"type":"api","key":"s3cret"}}`, codexcli.ErrAPIKey},
		{opencode, `{"openai":{"type":"s3cret","access":"a","refresh":"b"}}`, ErrMalformed},
		{opencode, `{"openai":{"type":"oauth","access":1}}`, ErrMalformed},
		{opencode, `{"openai":{"type":"oauth","access":"a","refresh":""}}`, codexcli.ErrNoRefreshToken},
		{opencode, `{"openai":{"type":"oauth","access":"a b","refresh":"c"}}`, ErrMalformed},
		{opencode, `{"openai":{"type":"oauth"},"openai":{"type":"oauth"}}`, ErrMalformed},
		{cpa, `{"type":"claude","access_token":"a","refresh_token":"b"}`, codexcli.ErrNoLogin},
		{Named("goose"), `{"access_token":"a"}`, codexcli.ErrNoRefreshToken},
	}
	for _, test := range tests {
		_, err := test.tool.Read(put(t, filepath.Join(t.TempDir(), "f.json"), []byte(test.data)))
		if !errors.Is(err, test.want) {
			t.Errorf("%s, %s: %v", test.tool.Name, test.data, err)
		}
		if err != nil && strings.Contains(err.Error(), "key\"") {
			t.Errorf("the error repeats the file: %v", err)
		}
	}
}

// A file that its tool has written since it was read is left as it is.
func TestSetAsideOfAChangedFile(t *testing.T) {
	home(t)
	path := put(t, filepath.Join(t.TempDir(), "auth.json"), golden(t, "opencode.json"))
	login, err := Named("opencode").Read(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, []byte(`{"openai":{}}`))
	if _, err := login.SetAside(t.Context()); !errors.Is(err, codexauth.ErrBusy) {
		t.Errorf("%v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != `{"openai":{}}` {
		t.Errorf("the file holds %s", data)
	}
}

// pi's lock is waited for, unless nobody has touched it for long, and kept alive while
// it is held.
func TestLockDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	lock := path + ".lock"
	synctest.Test(t, func(t *testing.T) {
		unlock, err := lockDirectory(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		short, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if _, err := lockDirectory(short, path); !errors.Is(err, codexauth.ErrBusy) || !strings.Contains(err.Error(), lock) {
			t.Errorf("a lock that is held: %v", err)
		}
		unlock()
		if _, err := os.Stat(lock); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the lock stays: %v", err)
		}
		if err := os.Mkdir(lock, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(lock, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		unlock, err = lockDirectory(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
		if waited := time.Since(before); waited < lockStale || waited > lockStale+time.Second {
			t.Errorf("a dead program's lock was waited for %v", waited)
		}
	})
}

// What a parser takes for a login it also takes out: the rest is the object without that
// member, and nothing panics.
func FuzzEntries(f *testing.F) {
	for _, name := range []string{"opencode.json", "pi.json", "goose.json", "codex.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"openai":{"type":"oauth","access":"a","refresh":"b"},"a":[{"openai":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, tool := range Tools() {
			c, err := tool.parse(data)
			if err != nil || c.entry == "" {
				continue
			}
			rest, taken, err := without(data, c.entry)
			if err != nil {
				t.Fatalf("a login that can't be taken out: %v", err)
			}
			was, left := values(t, data), values(t, rest)
			delete(was, c.entry)
			if !maps.Equal(was, left) {
				t.Errorf("%q became %q", data, rest)
			}
			if again, err := tool.parse(taken); err != nil || !again.Login.RefreshToken.Equal(c.Login.RefreshToken) {
				t.Errorf("what was taken out is no login: %v", err)
			}
		}
	})
}

func values(t *testing.T, data []byte) map[string]string {
	t.Helper()
	all, err := members(data)
	if err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	texts := map[string]string{}
	for _, m := range all {
		texts[m.name] = string(m.value)
	}
	return texts
}

// The parsers of files that are a login as a whole take anything without a panic.
func FuzzFlat(f *testing.F) {
	for _, name := range []string{"cliproxyapi.json", "goose.json", "litellm.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (contents, error){parseFlat, parseCLIProxy} {
			c, err := parse(data)
			if err == nil && (c.Login.AccessToken.IsZero() || c.Login.RefreshToken.IsZero()) {
				t.Error("a login without a token")
			}
		}
	})
}
