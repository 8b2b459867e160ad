package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

// What the README tells a newcomer to do, done in a fresh clone as it stands
// there.
func TestReadme(t *testing.T) {
	t.Parallel()
	clone := rig.Clone(t)
	readme := readText(t, filepath.Join(clone, "README.md"))

	t.Run("links", func(t *testing.T) {
		for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(readme, -1) {
			if _, err := os.Stat(filepath.Join(clone, link[1])); err != nil {
				t.Errorf("the README's link leads nowhere: %v", err)
			}
		}
	})
	t.Run("demo", func(t *testing.T) {
		said := rig.Shell(t, clone, commandIn(t, readme, "go run ./cmd/codexauth sandbox demo"))
		for _, want := range []string{"401", "sign out", "refresh_token_reused"} {
			if !strings.Contains(strings.ToLower(said), want) {
				t.Errorf("the demo says nothing of %q:\n%s", want, said)
			}
		}
	})
	t.Run("install", func(t *testing.T) {
		bin := t.TempDir()
		rig.Shell(t, clone, commandIn(t, readme, "CGO_ENABLED=0 go install ./cmd/codexauth"), "GOBIN="+bin)
		said := rig.Shell(t, clone, "codexauth version && codexauth status || echo exit $?", "PATH="+bin+":"+os.Getenv("PATH"), "CODEXAUTH_HOME="+filepath.Join(bin, "home"))
		if !strings.Contains(said, "exit 3") {
			t.Errorf("what was installed says %q", said)
		}
	})
	t.Run("program", func(t *testing.T) { readmeProgram(t, clone, readme) })
}

// readmeProgram builds the program in the README as a module beside the clone,
// and runs it: as it stands, and for the issuer of a sandbox.
func readmeProgram(t *testing.T, clone, readme string) {
	dir := filepath.Join(filepath.Dir(clone), "consumer")
	program := blockIn(t, readme, "```go", "package main")
	module := "module consumer\n\ngo 1.26\n\n" + blockIn(t, readme, "```", "require ")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write("go.mod", module)
	write("main.go", program)
	st := newStage(t, time.Hour)
	home := "CODEXAUTH_HOME=" + st.cli.Home
	// The login here is not one of OpenAI's, which is what the program asks for.
	said := rig.Shell(t, dir, "go mod tidy && go build -o consumer . && ! ./consumer", home)
	if !strings.Contains(said, "another login is stored here") {
		t.Errorf("for another issuer's login, the program says %q", said)
	}
	const config = "codexauth.Config{Store: store}"
	if !strings.Contains(program, config) {
		t.Fatalf("the program has no %s", config)
	}
	write("main.go", strings.Replace(program, config, `codexauth.Config{Store: store, Provider: codexauth.Provider{Issuer: "`+st.tap.Issuer+`"}}`, 1))
	said = rig.Shell(t, dir, "go build -o consumer . && ./consumer", home)
	if !strings.HasPrefix(said, readStatus(t, st.cli, exitDone).AccountID+" ") {
		t.Errorf("the program says %q", said)
	}
	wantNoSecret(t, "the program", said, secretsOf(st.cli.Stored(t)))
}

// commandIn returns the README's line that begins with command.
func commandIn(t *testing.T, readme, command string) string {
	t.Helper()
	for line := range strings.Lines(readme) {
		if strings.HasPrefix(line, command) {
			return line
		}
	}
	t.Fatalf("the README does not say %q any more; this test has to say what it says", command)
	return ""
}

// blockIn returns what stands in the README's block of code that begins so.
func blockIn(t *testing.T, readme, fence, begin string) string {
	t.Helper()
	_, rest, found := strings.Cut(readme, fence+"\n"+begin)
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("the README has no block any more that begins with %q", begin)
	}
	return begin + block
}
