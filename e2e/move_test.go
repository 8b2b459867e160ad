package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"codexauth/e2e/internal/rig"
)

const killed = -1 // the exit code of a process that a signal ended

// A kill in the middle of moving a login, in either direction, loses nothing:
// the same command again brings it to its end.
func TestMoveKilled(t *testing.T) {
	t.Parallel()
	s := rig.StartSandbox(t)
	home := t.TempDir()
	auth := filepath.Join(home, "auth.json")
	cli := rig.NewCLI(t, s.Issuer).With("CODEX_HOME=" + home)
	issued := s.Control(t, map[string]any{"issue": true})
	file, err := json.Marshal(map[string]any{"auth_mode": "chatgpt", "theirs": 1, "tokens": issued})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(auth, file, 0o600); err != nil {
		t.Fatal(err)
	}

	// Stored, and auth.json not set aside.
	wantCode(t, "import, killed", cli.KilledAt(t, "login-saved=kill").Run(t, "import"), killed)
	if cli.Stored(t).RefreshToken != issued.Refresh || readText(t, auth) != string(file) {
		t.Fatal("the kill came at another place")
	}
	wantCode(t, "import", cli.Run(t, "import"), exitDone)
	if _, err := os.Stat(auth); !os.IsNotExist(err) {
		t.Errorf("auth.json is still there: %v", err)
	}
	token(t, cli)

	// Delivered, and still stored.
	handOver := []string{"export", "--hand-over", auth}
	wantCode(t, "export, killed", cli.KilledAt(t, "dir-synced=kill:1").Run(t, handOver...), killed)
	if _, err := os.Stat(auth); err != nil || cli.Stored(t).RefreshToken != issued.Refresh {
		t.Fatalf("the kill came at another place: %v", err)
	}
	wantCode(t, "export", cli.Run(t, handOver...), exitDone)
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
	if c := s.Counters(t); c["token_requests"] != 0 {
		t.Errorf("counters %v, want no token request", c)
	}
}
