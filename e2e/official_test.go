package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// The official Codex CLI signs in, codexauth takes its login over and gives it
// back, and each can use what the other wrote.
func TestOfficialMovesBackAndForth(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	codex := rig.NewOfficial(t)
	cli := rig.NewCLI(t, s.Issuer).With(codex.Env())
	codex.SignIn(t, s)
	before, err := os.ReadFile(codex.AuthFile())
	if err != nil {
		t.Fatal(err)
	}

	wantCode(t, "import", cli.Run(t, "import"), exitDone)
	wantLoggedIn(t, codex, false)
	backups, _ := filepath.Glob(codex.AuthFile() + ".codexauth-backup-*")
	if len(backups) != 1 {
		t.Fatalf("%d backups, want one", len(backups))
	}
	if kept, err := os.ReadFile(backups[0]); err != nil || string(kept) != string(before) {
		t.Errorf("the backup is not what was imported (%v)", err)
	}
	token(t, cli)
	wantCode(t, "refresh", cli.Run(t, "refresh"), exitDone)
	wantNoSecret(t, "the backup", string(before), secretsOf(cli.Stored(t)))

	// Tokens alone: the login stays, and the official CLI can read them.
	wantCode(t, "export", cli.Run(t, "export", codex.AuthFile()), exitDone)
	wantLoggedIn(t, codex, true)
	if _, refresh := authFile(t, codex); refresh != "" {
		t.Error("an export without --hand-over has a refresh token in it")
	}
	token(t, cli)

	// The whole login.
	mine := cli.Stored(t)
	wantCode(t, "export --hand-over", cli.Run(t, "export", "--hand-over", codex.AuthFile()), exitDone)
	wantLoggedIn(t, codex, true)
	access, refresh := authFile(t, codex)
	if access != mine.AccessToken || refresh != mine.RefreshToken {
		t.Error("what was handed over is not what was stored")
	}
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
	if left := cli.Stored(t); left.RefreshToken != "" || left.AccessToken != "" {
		t.Error("a login that was handed over is still stored")
	}
	if info, err := os.Stat(codex.AuthFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of auth.json is %v, %v", info.Mode(), err)
	}
	if c := s.Counters(t); c["reuses"] != 0 || c["refreshes"] != 1 {
		t.Errorf("counters %v", c)
	}
}

func authFile(t *testing.T, codex *rig.Official) (access, refresh string) {
	t.Helper()
	content, err := os.ReadFile(codex.AuthFile())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tokens rig.Issued `json:"tokens"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal("auth.json is no JSON")
	}
	return file.Tokens.Access, file.Tokens.Refresh
}

// wantLoggedIn asks the official CLI itself.
func wantLoggedIn(t *testing.T, codex *rig.Official, want bool) {
	t.Helper()
	r := codex.Run(t, "login", "status")
	if got := strings.Contains(r.Stderr+r.Stdout, "Logged in using ChatGPT") && r.Code == 0; got != want {
		t.Errorf("codex login status: logged in %v, want %v; it said %q", got, want, r.Stderr)
	}
}

// setUp returns an official CLI that is set up to use a codexauth, which has a
// login that was issued with this life.
func setUp(t *testing.T, s *rig.Sandbox, life time.Duration) (*rig.Official, *rig.CLI) {
	t.Helper()
	codex := rig.NewOfficial(t)
	cli := rig.NewCLI(t, s.Issuer).Installed(t).With(codex.Env())
	seed(t, s, cli, life)
	wantCode(t, "setup codex", cli.Run(t, "setup", "codex"), exitDone)
	return codex, cli
}

// A login that was handed over is whole: the official CLI refreshes it by itself,
// at the server that it is from, and what it then has can be imported again. It
// takes half a minute, since with a login of its own that CLI waits for services
// that are not there.
func TestOfficialRefreshesWhatWasHandedOver(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("half a minute of waiting")
	}
	s := rig.StartSandbox(t)
	codex := rig.NewOfficial(t)
	cli := rig.NewCLI(t, s.Issuer).With(codex.Env())
	seed(t, s, cli, -time.Hour)
	config := fmt.Sprintf("model_provider = \"x\"\n[model_providers.x]\nname = \"x\"\nbase_url = %q\nwire_api = \"responses\"\nrequires_openai_auth = true\n", s.Issuer+"/backend-api/codex")
	if err := os.WriteFile(filepath.Join(codex.Home, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "export --hand-over", cli.Run(t, "export", "--hand-over", codex.AuthFile()), exitDone)
	_, handedOver := authFile(t, codex)

	r := codex.Run(t, "exec", "--skip-git-repo-check", "hello")
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "hello" {
		t.Fatalf("exit %d; it answered %q and said %q", r.Code, r.Stdout, r.Stderr)
	}
	if _, refreshed := authFile(t, codex); refreshed == handedOver {
		t.Error("the official CLI has not refreshed")
	}
	wantCode(t, "import", cli.Run(t, "import"), exitDone)
	wantCode(t, "refresh", cli.Run(t, "refresh"), exitDone)
	if c := s.Counters(t); c["refreshes"] != 2 || c["reuses"] != 0 {
		t.Errorf("counters %v, want two refreshes", c)
	}
}

// seed gives cli a login that was issued with this life.
func seed(t *testing.T, s *rig.Sandbox, cli *rig.CLI, life time.Duration) {
	t.Helper()
	issued := s.Control(t, map[string]any{"access_ttl": life.String(), "issue": true})
	s.Control(t, map[string]any{"access_ttl": "1h", "reset_counters": true})
	file, err := json.Marshal(map[string]any{"auth_mode": "chatgpt", "tokens": issued})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "import -", cli.RunWithInput(t, string(file), "import", "-"), exitDone)
}

// Eight official CLIs at once find one expired login: one request renews it, and
// nobody fails.
func TestOfficialStorm(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	codex, _ := setUp(t, s, -time.Hour)
	const n = 8
	results, errs := make([]rig.Result, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			results[i], errs[i] = codex.Exec("exec", "--skip-git-repo-check", fmt.Sprintf("hello %d", i))
		})
	}
	wg.Wait()
	for i, r := range results {
		if errs[i] != nil || r.Code != 0 || strings.TrimSpace(r.Stdout) != fmt.Sprintf("hello %d", i) {
			t.Errorf("codex %d: exit %d, %v; it answered %q and said %q", i, r.Code, errs[i], r.Stdout, r.Stderr)
		}
	}
	c := s.Counters(t)
	if c["token_requests"] != 1 || c["refreshes"] != 1 || c["reuses"] != 0 || c["backend_unauthorized"] != 0 {
		t.Errorf("counters %v, want one token request and no refused request", c)
	}
	if _, err := os.Stat(codex.AuthFile()); !os.IsNotExist(err) {
		t.Errorf("the official CLI has a login of its own: %v", err)
	}
}

// A 401 makes the official CLI come back once, and it gets a new token.
func TestOfficialComesBackAfter401(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	codex, _ := setUp(t, s, time.Hour)
	s.Control(t, map[string]any{"expire_access": true})
	r, err := codex.Exec("exec", "--skip-git-repo-check", "hello")
	if err != nil || r.Code != 0 || strings.TrimSpace(r.Stdout) != "hello" {
		t.Errorf("exit %d, %v; it answered %q and said %q", r.Code, err, r.Stdout, r.Stderr)
	}
	c := s.Counters(t)
	if c["backend_unauthorized"] == 0 || c["refreshes"] != 1 || c["reuses"] != 0 {
		t.Errorf("counters %v, want a 401 and one refresh", c)
	}
}

// The official CLI edits its config.toml, too: what it adds survives, wherever it
// puts it, and --undo leaves nothing else behind.
func TestOfficialConfig(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	codex := rig.NewOfficial(t)
	config := filepath.Join(codex.Home, "config.toml")
	const mine = "# mine\nmodel_provider = \"openai\" # dear\nmodel = \"gpt-5\"\n\n[projects.\"/x\"]\ntrust_level = \"trusted\"\n# end"
	if err := os.WriteFile(config, []byte(mine), 0o640); err != nil {
		t.Fatal(err)
	}
	cli := rig.NewCLI(t, s.Issuer).Installed(t).With(codex.Env())
	seed(t, s, cli, time.Hour)
	wantCode(t, "setup codex", cli.Run(t, "setup", "codex"), exitDone)
	once := readText(t, config)
	if info, err := os.Stat(config); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	wantCode(t, "setup codex, again", cli.Run(t, "setup", "codex"), exitDone)
	if readText(t, config) != once {
		t.Error("the second setup is not the same as the first")
	}
	if r := codex.Run(t, "mcp", "add", "mine", "--", "true"); r.Code != 0 {
		t.Fatalf("codex mcp add: %q", r.Stderr)
	}
	wantCode(t, "setup codex, after an edit", cli.Run(t, "setup", "codex"), exitDone)
	wantCode(t, "setup codex --undo", cli.Run(t, "setup", "codex", "--undo"), exitDone)
	if text := readText(t, config); !strings.HasPrefix(text, mine) || !strings.Contains(text, "[mcp_servers.mine]") || strings.Contains(text, "codexauth") {
		t.Errorf("after --undo, the file is %q", text)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
