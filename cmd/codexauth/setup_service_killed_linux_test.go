package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
)

// someSystemd is a systemctl that knows of one unit whether it runs, and that kills who
// calls it the how manieth time the file "kill" says.
const someSystemd = `
dir=${0%/*}
units=$XDG_CONFIG_HOME/systemd/user
kill=0
[ -f "$dir/kill" ] && read -r kill < "$dir/kill"
while read -r _; do kill=$((kill - 1)); [ $kill = 0 ] && last=yes || last=; done < "$dir/told"
[ "$last" ] && kill -9 $PPID && exit 1
case $2 in
enable)
	[ -f "$units/codexauth.socket" ] && [ -f "$units/codexauth.service" ] && cp "$units/codexauth.socket" "$dir/runs" || exit 1 ;;
disable)
	[ -f "$units/codexauth.socket" ] && [ -f "$units/codexauth.service" ] && rm -f "$dir/runs" || exit 1 ;;
stop)
	rm -f "$dir/runs" ;;
is-active)
	[ -f "$dir/runs" ] && echo active || echo inactive ;;
esac
exit 0
`

// Wherever a setup or a removal of the service is killed, the next command goes on:
// what runs is what the files say, or nothing runs and there is nothing.
func TestServiceKilledOnTheWay(t *testing.T) {
	b, units, told := serviceBox(t, someSystemd)
	dir := filepath.Dir(told)
	second := filepath.Join(units, "codexauth.service")
	plain, listening := []string{}, []string{"--listen", usualListen}
	kills := 0
	nothing := func() error { return nil }
	betweenTheFiles := func() error { return os.Remove(second) }
	for _, c := range []struct {
		name         string
		before, args []string // before: none is no service
		also         func() error
	}{
		{"set up", nil, plain, nothing},
		{"set up", nil, plain, betweenTheFiles},
		{"set up differently", plain, listening, nothing},
		{"removed", plain, undo, nothing},
		{"removed", plain, undo, betweenTheFiles},
	} {
		for nth := 1; ; nth++ {
			at := fmt.Sprintf("%s, call %d", c.name, nth)
			if c.before != nil {
				b.mustSetUp(t, c.before)
			}
			if !b.killedInSetup(t, dir, nth, c.args) {
				b.mustSetUp(t, undo)
				break
			}
			kills++
			if !there(filepath.Join(dir, "runs")) && there(second) { // else nobody dies between them
				if err := c.also(); err != nil {
					t.Fatal(err)
				}
			}
			want := c.args
			if nth%2 == 0 { // the other way on
				want = plain
				if slices.Equal(c.args, plain) {
					want = undo
				}
			}
			b.mustSetUp(t, want)
			wantService(t, at, units, dir, want)
			b.mustSetUp(t, undo)
			wantService(t, at, units, dir, undo)
		}
	}
	if kills < 12 {
		t.Errorf("killed %d times, so this shows little", kills)
	}
}

var undo = []string{"--undo"}

func (b *box) mustSetUp(t *testing.T, args []string) {
	t.Helper()
	if r := b.setupService(t, args...); r.code != verdict.Done {
		t.Fatalf("%q: %+v", args, r)
	}
}

// killedInSetup reports whether the command came by where it was to be killed.
func (b *box) killedInSetup(t *testing.T, dir string, nth int, args []string) bool {
	t.Helper()
	kill := filepath.Join(dir, "kill")
	os.Remove(filepath.Join(dir, "told")) // there may be none
	if err := os.WriteFile(kill, []byte(fmt.Sprintln(nth)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("installed-setup", append([]string{"service"}, args...)...)
	cmd.Env = b.env
	r := finish(cmd)
	if err := os.Remove(kill); err != nil {
		t.Fatal(err)
	}
	if r.code != verdict.Done && r.code != -1 {
		t.Fatalf("%q: %+v", args, r)
	}
	return r.code == -1
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// wantService looks at what was set up with args.
func wantService(t *testing.T, at, units, dir string, args []string) {
	t.Helper()
	left, err := os.ReadDir(units)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if slices.Equal(args, undo) {
		if err == nil || len(left) != 0 {
			t.Errorf("%s: taken back, and it runs (%v) or there is %v", at, err == nil, left)
		}
		return
	}
	if err != nil || len(left) != 2 {
		t.Errorf("%s: set up, and there is %v; running: %v", at, left, err)
		return
	}
	if text := contentOf(t, filepath.Join(units, "codexauth.socket")); text != string(runs) || strings.Contains(text, usualListen) != slices.Contains(args, usualListen) {
		t.Errorf("%s: with %q there runs\n%s\nand the file is\n%s", at, args, runs, text)
	}
}
