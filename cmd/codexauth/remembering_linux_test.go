package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/frame"
	"codexauth/sandbox"
)

// newHomeBox is a box without variables that say where a login is: the file of
// settings of its home alone does. Its login lies in the usual place.
func newHomeBox(t *testing.T) *box {
	t.Helper()
	b := newBox(t, sandbox.Config{})
	home := filepath.Dir(b.home)
	b.home = filepath.Join(home, ".local/state/codexauth")
	b.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, raceEnv}
	if r := b.run(t, "config", "set", "issuer", b.server.URL()); r.code != verdict.Done {
		t.Fatalf("exit %d: %q", r.code, r.stderr)
	}
	b.signIn(t, "default")
	return b
}

// settings is the text of the config file.
func (b *box) settings(t *testing.T) string {
	t.Helper()
	home := strings.TrimPrefix(b.env[1], "HOME=")
	data, err := os.ReadFile(filepath.Join(home, ".config/codexauth/config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// foundEverywhere checks that a new shell, a job without a terminal or a session,
// and the command itself find the login.
func (b *box) foundEverywhere(t *testing.T) {
	t.Helper()
	wantToken(t, b.run(t, "token"))
	command := b.command().Path
	for name, args := range map[string][]string{
		"a new shell": {"env", "-i", b.env[0], b.env[1], "sh", "-c", command + ` token`},
		"a job":       {"setsid", "-w", "env", "-i", b.env[1], "PATH=/usr/bin:/bin", "sh", "-c", "cd / && " + command + ` token </dev/null`},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v, %q", name, err, said.String())
			continue
		}
		wantToken(t, result{stdout: string(out)})
	}
}

// A yes, which the Enter key alone is, to the question whether to remember it.
func TestSealIsRemembered(t *testing.T) {
	b := newHomeBox(t)
	term := atTerminal(t, b.command("store", "seal"))
	term.await(t, "[Y/n] ")
	term.typeIn(t, "\x03")
	term.end(t, verdict.Cancelled)
	if b.sealed(t) {
		t.Error("Ctrl-C sealed it")
	}
	term = atTerminal(t, b.command("store", "seal"))
	term.await(t, "Remember the key ")
	term.await(t, "[Y/n] ")
	term.typeIn(t, "\n")
	term.await(t, "Remembered the key ")
	term.end(t, verdict.Done)
	if !b.sealed(t) {
		t.Error("it is not sealed")
	}
	b.foundEverywhere(t)
	term = atTerminal(t, b.command("store", "seal"))
	term.await(t, "is sealed with the key in")
	term.end(t, verdict.Done)
	if strings.Contains(term.screen(), "Remember ") {
		t.Error("what the file says already is asked about")
	}
}

// A no moves the login and leaves the file alone; it says what other shells need.
func TestMoveIsNotRemembered(t *testing.T) {
	b := newHomeBox(t)
	before := b.settings(t)
	there := "file:" + filepath.Join(t.TempDir(), "there")
	term := atTerminal(t, b.command("store", "copy", "file:", there))
	term.await(t, "Remember the store "+there+" for every shell (in ")
	term.typeIn(t, "n\n")
	term.await(t, "The login is in "+there+" now")
	term.await(t, "Other shells don't use it: `codexauth config set store "+there+"`")
	term.end(t, verdict.Done)
	if b.settings(t) != before {
		t.Error("the config file was changed")
	}
	wantToken(t, b.run(t, "--store", there, "token"))
	term = atTerminal(t, b.command("store", "copy", there, "file:"))
	term.await(t, "The login is in ")
	term.end(t, verdict.Done)
	b.foundEverywhere(t)
}

// sealed reports whether the stored record is.
func (b *box) sealed(t *testing.T) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.home, "record-default"))
	if err != nil {
		t.Fatal(err)
	}
	return frame.Sealed(data)
}

// A config file whose disk is full or read-only, or that is another user's: what
// was to be remembered there does not happen.
func TestSettingsThatCannotBeWritten(t *testing.T) {
	b := newHomeBox(t)
	dir := filepath.Join(strings.TrimPrefix(b.env[1], "HOME="), ".config/codexauth")
	before, there := b.settings(t), "file:"+filepath.Join(t.TempDir(), "there")
	key := filepath.Join(t.TempDir(), "key")
	for name, script := range map[string]string{
		"full": `keep=$(cat "$1"/config.toml); mount -t tmpfs -o size=16k,mode=700 tmpfs "$1"; printf %s "$keep" >"$1"/config.toml
chmod 600 "$1"/config.toml; touch "$1"/config.toml.lock; head -c 1M /dev/zero >"$1"/filler 2>/dev/null || true`,
		"read-only":       `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"`,
		"another user's":  `mount -t tmpfs -o mode=700 tmpfs "$1"; echo 'store = "file:"' >"$1"/config.toml; chown 65534 "$1"/config.toml`,
		"another's place": `mount -t tmpfs -o mode=700,uid=65534 tmpfs "$1"`,
	} {
		for _, args := range [][]string{{"store", "copy", "--remember", "file:", there}, {"store", "seal", "--remember", "--to", key}} {
			r := b.inMounts(t, script, dir, args...)
			if r.code == verdict.Done || !strings.Contains(r.stderr, "the settings in ") || !strings.Contains(r.stderr, "hint: ") || strings.Count(r.stderr, "\n") != 2 {
				t.Errorf("%s: %q: exit %d, %q", name, args[:2], r.code, r.stderr)
			}
		}
		if b.sealed(t) || b.settings(t) != before {
			t.Errorf("%s: it was done all the same", name)
		}
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a key was made for nothing")
	}
	b.foundEverywhere(t)
}

// At a desktop the first sign-in offers the keyring: a yes is remembered, and then
// every shell of that session finds the login, sealed.
func TestFirstLoginOffersTheKeyring(t *testing.T) {
	const question = "with its key in your keyring (for every shell)? [Y/n] "
	desktop := func(t *testing.T) *ringBox {
		b := unlocked(t)
		home := filepath.Dir(b.home)
		b.home = filepath.Join(home, ".local/state/codexauth")
		b.env = []string{b.env[0], b.env[1], "TERM=xterm", raceEnv, "DBUS_SESSION_BUS_ADDRESS=" + b.Address, "XDG_RUNTIME_DIR=" + b.Dir,
			"BROWSER=person-auto", "CODEXAUTH_ISSUER=" + b.server.URL(), "CODEXAUTH_TEST_ANY_USER=1"}
		return b
	}
	b := desktop(t)
	term := atTerminal(t, b.command("login"))
	term.await(t, question)
	term.typeIn(t, "\n")
	term.await(t, "stored in keyring:")
	term.end(t, verdict.Done)
	if text := b.settings(t); !strings.Contains(text, `store = "keyring:"`) {
		t.Errorf("the settings are %q", text)
	}
	wantToken(t, b.fine(t, "token"))
	if _, err := os.Stat(filepath.Join(b.home, "record-default")); err == nil {
		t.Error("there is a plain login, too")
	}

	b.env = append(b.env, "HOME="+t.TempDir())
	items := len(b.Items(t))
	term = atTerminal(t, b.command("login"))
	term.await(t, question)
	term.typeIn(t, "n\n")
	term.await(t, "in plain text")
	term.end(t, verdict.Done)
	if n := len(b.Items(t)) - items; n != 0 {
		t.Errorf("%d items were made", n)
	}

	for name, tt := range map[string]struct {
		env  string
		args []string
	}{
		"over SSH":         {"SSH_CONNECTION=1 2 3 4", nil},
		"as root":          {"CODEXAUTH_TEST_ANY_USER=", nil},
		"by sudo":          {"SUDO_UID=1000", nil},
		"in a container":   {"container=podman", nil},
		"without a bus":    {"DBUS_SESSION_BUS_ADDRESS=", nil},
		"a place is named": {"CODEXAUTH_HOME=" + filepath.Join(t.TempDir(), "home"), nil},
		"no":               {"X=", []string{"--no-keyring"}},
		"a store is named": {"X=", []string{"--no-remember", "--store", "file:"}},
	} {
		if name == "as root" && os.Geteuid() != 0 {
			continue
		}
		cmd := b.command(append([]string{"login"}, tt.args...)...)
		cmd.Env = append(cmd.Env, "HOME="+t.TempDir(), tt.env)
		term := atTerminal(t, cmd)
		term.await(t, "in plain text")
		term.end(t, verdict.Done)
		if strings.Contains(term.screen(), "Keep the login") {
			t.Errorf("%s: the keyring is offered", name)
		}
	}
	b.env = append(b.env, "HOME="+t.TempDir())
	if r := b.fine(t, "login"); strings.Contains(r.stderr, "Keep the login") {
		t.Error("it asks where nobody is")
	}
}

// A sign-in to a place that flags name is remembered before it is begun, and kept in
// the file once it is done.
func TestLoginIsRemembered(t *testing.T) {
	b := newHomeBox(t)
	b.env = append(b.env, "BROWSER=person-auto")
	there := "file:" + filepath.Join(t.TempDir(), "there")
	term := atTerminal(t, b.command("--store", there, "login"))
	term.await(t, "Remember the store "+there+" for every shell")
	term.typeIn(t, "y\n")
	term.await(t, "Remembered the store")
	term.end(t, verdict.Done)
	b.foundEverywhere(t)
}

// A weak passphrase is pointed out, and accepted.
func TestWeakPassphrase(t *testing.T) {
	b := newHomeBox(t)
	term := atTerminal(t, b.command("store", "seal", "--passphrase", "--no-remember"))
	for _, prompt := range []string{"Passphrase of ", "Repeat the passphrase"} {
		term.await(t, prompt)
		eventually(t, "the end of the echo", func() bool { return !term.echoes(t) })
		term.typeIn(t, "password1\n")
	}
	term.await(t, "That passphrase is weak: it is among the first guesses.")
	term.await(t, "sealed with your passphrase now")
	term.end(t, verdict.Done)
	if strings.Contains(term.screen(), "password1") || !b.sealed(t) {
		t.Errorf("the screen shows %q", term.screen())
	}
}
