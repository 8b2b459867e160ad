package browser

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

const page = "http://localhost:1455/auth/start/ABC?x=1&y=$(id);z#f"

func envOf(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestCommands(t *testing.T) {
	for name, c := range map[string]struct {
		goos string
		env  func(string) string
		want [][]string
	}{
		"linux":   {"linux", envOf(), [][]string{{"xdg-open", page}, {"x-www-browser", page}}},
		"wsl":     {"linux", envOf("WSL_DISTRO_NAME", "Debian"), [][]string{{"wslview", page}, {"xdg-open", page}, {"x-www-browser", page}}},
		"darwin":  {"darwin", envOf(), [][]string{{"/usr/bin/open", page}}},
		"windows": {"windows", envOf("SystemRoot", `C:\Windows`), [][]string{{`C:\Windows\System32\rundll32.exe`, "url.dll,FileProtocolHandler", page}}},
		"BROWSER": {"linux", envOf("BROWSER", "firefox --new-window %s::lynx"), [][]string{{"firefox", "--new-window", page}, {"lynx", page}}},
		"inside":  {"darwin", envOf("BROWSER", "/x --url=%s"), [][]string{{"/x", "--url=" + page}}},
		"drive":   {"windows", envOf("BROWSER", `C:\b.exe;D:\c.exe`), [][]string{{`C:\b.exe`, page}, {`D:\c.exe`, page}}},
	} {
		if got := commands(c.goos, c.env, page); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAvailable(t *testing.T) {
	for name, c := range map[string]struct {
		goos string
		env  func(string) string
		want bool
	}{
		"bare linux":   {"linux", envOf(), false},
		"x11":          {"linux", envOf("DISPLAY", ":0"), true},
		"wayland":      {"linux", envOf("WAYLAND_DISPLAY", "wayland-0"), true},
		"BROWSER":      {"linux", envOf("BROWSER", "firefox"), true},
		"wsl":          {"linux", envOf("WSL_DISTRO_NAME", "Debian"), true},
		"ssh":          {"linux", envOf("DISPLAY", ":10", "SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22"), false},
		"ssh, BROWSER": {"linux", envOf("BROWSER", "firefox", "SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22"), true},
		"mac":          {"darwin", envOf(), true},
		"mac by ssh":   {"darwin", envOf("SSH_CONNECTION", "x"), false},
		"windows":      {"windows", envOf(), true},
	} {
		if got := available(c.goos, c.env); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestOpenRefusesOtherThanWebURLs(t *testing.T) {
	t.Setenv("BROWSER", script(t, "exit 0"))
	for _, bad := range []string{
		"", "file:///etc/passwd", "javascript:alert(1)", "-version", "localhost:1455", "http:///path", "ftp://host/",
		"http://user:pw@host/", "http://host/a b", "http://host/\n", "http://host/\"&calc", "http://host/<x>", "http://host/`id`", `http://host/a\b`,
		"http://host/ü",
	} {
		if err := Open(bad); !errors.Is(err, ErrURL) {
			t.Errorf("Open(%q) = %v, want ErrURL", bad, err)
		}
	}
}

// script makes an executable of a shell script; its $1 is the URL.
func script(t *testing.T, body string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	file := filepath.Join(t.TempDir(), "launcher")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenPassesTheURLAsOneArgument(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", out)
	t.Setenv("BROWSER", script(t, `printf '%s|%s' "$#" "$1" >"$OUT"`))
	quick := false
	for try := 0; try < 3 && !quick; try++ { // a busy machine may be slow, but hardly each time
		begun := time.Now()
		if err := Open(page); err != nil {
			t.Fatal(err)
		}
		quick = time.Since(begun) < patience
	}
	if !quick {
		t.Error("a launcher that succeeds at once is waited for")
	}
	got, err := os.ReadFile(out)
	if want := "1|" + page; err != nil || string(got) != want {
		t.Errorf("the launcher got %q (%v), want %q", got, err, want)
	}
}

func TestBrowserWhosePathHasASpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "My Browser")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "run me")
	if err := os.Rename(script(t, `printf '%s' "$1" >"$OUT"`), path); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", out)
	t.Setenv("BROWSER", path)
	if err := Open(page); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != page {
		t.Errorf("the launcher got %q, %v", got, err)
	}
}

func TestOpenFallsThroughToTheNext(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", out)
	t.Setenv("BROWSER", "no-such-browser-here:"+script(t, "exit 3")+":"+script(t, `echo ok >"$OUT"`))
	if err := Open(page); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error("the last launcher was not run")
	}
}

func TestOpenReportsFailure(t *testing.T) {
	t.Setenv("BROWSER", script(t, "exit 3"))
	var exit *exec.ExitError
	if err := Open(page); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v, want exit status 3", err)
	} else if strings.Contains(err.Error(), page) {
		t.Errorf("the error shows the URL: %v", err)
	}
	t.Setenv("BROWSER", "no-such-browser-here")
	if err := Open(page); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
}

func TestOpenLeavesABrowserRunningInItsOwnSession(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	dir := t.TempDir()
	t.Setenv("OUT", dir)
	// Ends when the test lets it, by removing the file.
	t.Setenv("BROWSER", script(t, `cut -d' ' -f6 /proc/$$/stat >"$OUT/session"; echo $$ >"$OUT/pid"; fds=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo "$fds" >"$OUT/fds"
: >"$OUT/run"; while [ -e "$OUT/run" ]; do sleep 0.05; done; : >"$OUT/over"`))
	if err := Open(page); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	waitFor(t, filepath.Join(dir, "run"))
	if read("session") != read("pid") {
		t.Errorf("session %s of process %s is not its own", read("session"), read("pid"))
	}
	if got := read("fds"); got != "/dev/null\n/dev/null\n/dev/null" {
		t.Errorf("descriptors are %q", got)
	}
	os.Remove(filepath.Join(dir, "run"))
	waitFor(t, filepath.Join(dir, "over"))
}

func waitFor(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
	}
	t.Fatalf("%s: the browser did not get that far", filepath.Base(file))
}

func TestOpenHandsOnNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", out)
	t.Setenv("CODEXAUTH_STORE", "postgres://me:hunter2@db/logins")
	t.Setenv("PGPASSWORD", "hunter2")
	t.Setenv("AETHER_CREDENTIALS_PASSWORD", "hunter2")
	t.Setenv("BROWSER", script(t, `env >"$OUT"`))
	if err := Open(page); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(got), "OUT=") || strings.Contains(string(got), "hunter2") {
		t.Errorf("the browser gets %q, %v", got, err)
	}
}
