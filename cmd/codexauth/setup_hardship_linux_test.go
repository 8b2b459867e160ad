package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/hint"
	"codexauth/sandbox"
)

// What can befall a tool's directory $1, in which everything is kept as it is.
var hardships = map[string]string{
	"full": `mkdir "$1.copy"; cp -a "$1/." "$1.copy"; mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"; cp -a "$1.copy/." "$1"; rm -r "$1.copy"
head -c 1M /dev/zero >"$1/filler" 2>/dev/null || true`,
	"read-only":            `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"`,
	"with read-only files": `chmod a-w "$1"/*.json "$1"/*.yaml 2>/dev/null || true`,
	"with mounted files":   `for f in "$1"/*; do mount --bind "$f" "$f"; mount -o remount,bind,ro "$f"; done`,
}

// asBefore has a command leave what is in $1 as it is, in content and mode, and the
// names that are there; exit code 99 says that it did not.
const asBefore = `dump() { (cd "$1"; find . ! -name filler -printf '%p %m\n' -type f -exec cksum {} + | sort); }
before=$(dump "$1")
finally() { [ "$before" = "$(dump "$1")" ] || { echo "$before"; dump "$1"; exit 99; }; }
place=$1; set +e; (shift; "$@"); rc=$?; finally "$place"; exit $rc`

// signedInAtHome is a signed-in box whose tools have a home of their own.
func signedInAtHome(t *testing.T) (b *box, home string) {
	t.Helper()
	b, home = newBox(t, sandbox.Config{}), t.TempDir()
	b.signIn(t, "default")
	b.env = append(b.env, "HOME="+home)
	return b, home
}

// A setup that can't write leaves every file as it was, with the settings of an earlier
// one and its key if there was one, and so does its undo; both say what to do, and once
// that is done every byte comes back.
func TestSetupWhereNothingCanBeWritten(t *testing.T) {
	b, home := signedInAtHome(t)
	fails := func(script, dir string, args ...string) {
		t.Helper()
		keys := toolKeys(t, b)
		r := b.inMounts(t, script+"\n"+asBefore, dir, args...)
		if r.code != verdict.Failed || !strings.Contains(r.stderr, "hint: ") || !strings.Contains(r.stderr, "again") {
			t.Errorf("%q: exit %d: %s%s", args, r.code, r.stdout, r.stderr)
		}
		if now := toolKeys(t, b); now != keys {
			t.Errorf("%q: the keys were %s and are %s", args, keys, now)
		}
	}
	for tool, file := range map[string]string{"pi": ".pi/agent/settings.json", "continue": ".continue/config.yaml"} {
		path := filepath.Join(home, file)
		dir, mine := filepath.Dir(path), "{ \"mine\": 1 }\n"
		if tool == "continue" {
			mine = "name: mine\n"
		}
		for name, script := range hardships {
			t.Run(tool+" "+name, func(t *testing.T) {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, path, mine)
				if err := os.Chmod(path, 0o640); err != nil {
					t.Fatal(err)
				}
				setup := []string{"setup", tool, "--no-start", "--model"}
				fails(script, dir, append(setup, "gpt-5.5")...)
				chmodAll(t, dir)
				if r := b.run(t, append(setup, "gpt-5.5")...); r.code != verdict.Done {
					t.Fatalf("exit %d: %s", r.code, r.stderr)
				}
				fails(script, dir, append(setup, "gpt-5.4")...)
				fails(script, dir, "setup", tool, "--undo")
				chmodAll(t, dir)
				if r := b.run(t, "setup", tool, "--undo"); r.code != verdict.Done || contentOf(t, path) != mine {
					t.Errorf("exit %d: %s: %s", r.code, r.stderr, contentOf(t, path))
				}
				if left, _ := os.ReadDir(dir); len(left) != 1 {
					t.Errorf("left behind: %v", left)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// toolKeys is what there is of keys: their hashes, and the tools that have one.
func toolKeys(t *testing.T, b *box) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.home, "tool-keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := broker.KeyFile(filepath.Join(b.home, "serve-keys.json")).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(names, hashes)
}

// chmodAll makes files writable again.
func chmodAll(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(f, info.Mode().Perm()|0o200); err != nil {
			t.Fatal(err)
		}
	}
}

// Where the keys can't be written, no tool is set up, and the settings that an undo has
// taken back are told from the key that is still good.
func TestSetupWhereNoKeyCanBeWritten(t *testing.T) {
	b, home := signedInAtHome(t)
	path := filepath.Join(home, ".config/opencode/opencode.json")
	full := hardships["full"]
	r := b.inMounts(t, full, b.home, "setup", "opencode", "--no-start")
	wantFailure(t, r, verdict.Failed, "no space left", "then run `codexauth setup opencode` again")
	if _, err := os.Stat(path); err == nil {
		t.Error("it was set up")
	}
	if r := b.run(t, "setup", "opencode", "--no-start"); r.code != verdict.Done {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	r = b.inMounts(t, full, b.home, "setup", "opencode", "--undo")
	wantFailure(t, r, verdict.Failed, "its key could not be revoked and is still good", "setup opencode --undo` again")
	if r := b.run(t, "setup", "opencode", "--undo"); r.code != verdict.Done || !strings.Contains(r.stderr, "The key of opencode is revoked") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := b.run(t, "setup", "opencode", "--undo"); !strings.Contains(r.stderr, "nothing was changed") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// The config file on a full or read-only disk stays as it was.
func TestConfigWhereNothingCanBeWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	b := newHomeBox(t)
	dir := filepath.Join(strings.TrimPrefix(b.env[1], "HOME="), ".config/codexauth")
	for _, args := range [][]string{{"config", "set", "profile", "work"}, {"config", "unset", "store"}, {"profile", "use", "default"}} {
		if args[0] == "profile" { // so that there is something to change
			if r := b.run(t, "config", "set", "profile", "work"); r.code != verdict.Done {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
		}
		for _, name := range []string{"full", "read-only"} {
			before := b.settings(t)
			r := b.inMounts(t, hardships[name], dir, args...)
			if r.code == verdict.Done && before != "" && name == "full" && args[1] == "unset" {
				continue // what is shorter may have room
			}
			wantFailure(t, r, verdict.Failed, "can't be changed", "then run this again")
			if b.settings(t) != before {
				t.Errorf("%s: %q: the file was changed", name, args)
			}
		}
	}
}

// A service whose files can't all be written, or that does not start, has the files of
// before, and runs as before if it did.
func TestServiceThatCannotBeWritten(t *testing.T) {
	b, units, told := serviceBox(t, "[ \"$2\" = enable ] && [ -e \"$HOME/broken\" ] && { rm \"$HOME/broken\"; echo no such bus >&2; exit 1; }\nexit 0\n")
	home := filepath.Dir(b.home)
	if r := b.setupService(t); r.code != verdict.Done {
		t.Fatalf("%+v", r)
	}
	socket := contentOf(t, filepath.Join(units, "codexauth.socket"))
	write(t, filepath.Join(home, "broken"), "")
	wantFailure(t, b.setupService(t, "--listen", usualListen), verdict.Failed, "no such bus")
	if contentOf(t, filepath.Join(units, "codexauth.socket")) != socket {
		t.Error("the unit is another one")
	}
	if said := lines(t, told); said[len(said)-1] != "--user enable --now codexauth.socket" {
		t.Errorf("systemd was told %q last", said[len(said)-1])
	}

	if _, mended := hint.Mend(os.ErrPermission, "x", "").(*hint.Error); !mended {
		t.Error("who may not write is told nothing")
	}
}
