package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// A giving is a command that gives something up.
type giving struct {
	args func(b *box, dir string) []string
	// before brings about what it needs, after looks whether nothing was lost once it
	// has done its work. dir is on the volume that fails.
	before, after func(t *testing.T, b *box, dir string)
}

func nothing(*testing.T, *box, string) {}

func givings() map[string]giving {
	words := func(args ...string) func(*box, string) []string {
		return func(_ *box, dir string) []string {
			all := append([]string{}, args...)
			for i := range all {
				all[i] = strings.ReplaceAll(all[i], "DIR", dir)
			}
			return all
		}
	}
	lives := func(flags ...string) func(*testing.T, *box, string) {
		return func(t *testing.T, b *box, dir string) {
			t.Helper()
			all := words(flags...)(b, dir)
			wantToken(t, b.run(t, append(all, "token")...))
			if r := b.run(t, append(all, "refresh")...); r.code != verdict.Done {
				t.Errorf("refresh: exit %d: %s", r.code, r.stderr)
			}
		}
	}
	key := func(t *testing.T, b *box, dir string) { b.must(t, "store", "keygen", filepath.Join(dir, "key")) }
	opens := func(name string) func(*testing.T, *box, string) {
		return func(t *testing.T, b *box, dir string) {
			t.Helper()
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 20 {
				t.Errorf("the key's file: %v", err)
			}
			if r := b.run(t, "serve", "key", "list"); strings.Count(r.stdout, "ci ") != 1 {
				t.Errorf("the keys: %s", r.stdout)
			}
		}
	}
	return map[string]giving{
		"store reseal":      {words("store", "reseal", "--to", "DIR/key", "--no-remember"), key, lives("--identity-file", "DIR/key")},
		"store seal":        {words("store", "seal", "--no-remember", "--to", "DIR/sealing"), nothing, lives("--identity-file", "DIR/sealing")},
		"profile rename":    {words("profile", "rename", "default", "other", "--remember"), nothing, lives()},
		"store copy to it":  {words("store", "copy", "file:DIR/../../beside", "file:DIR/there", "--no-remember"), besides, lives("--store", "file:DIR/there")},
		"store copy off it": {words("store", "copy", "file:DIR/store", "file:DIR/../../beside", "--no-remember"), nothing, lives("--store", "file:DIR/../../beside")},
		"hand-over":         {words("export", "--hand-over", "DIR/../../auth.json"), nothing, takesBack},
		"import":            {words("import", "--force", "DIR/../../auth.json"), handsOver, lives()},
		"logout":            {words("logout"), nothing, isRevoked},
		"serve key add":     {words("serve", "key", "add", "ci", "--out", "DIR/new.key"), nothing, opens("new.key")},
		"serve key rotate":  {words("serve", "key", "rotate", "ci", "--out", "DIR/new.key"), firstKey, opens("new.key")},
	}
}

// must runs a command that has to succeed.
func (b *box) must(t *testing.T, args ...string) {
	t.Helper()
	if r := b.run(t, args...); r.code != verdict.Done {
		t.Fatalf("%v: exit %d: %s", args, r.code, r.stderr)
	}
}

func besides(t *testing.T, b *box, dir string) {
	b.must(t, "store", "copy", "file:"+b.home, "file:"+filepath.Join(dir, "../../beside"), "--no-remember")
}

func handsOver(t *testing.T, b *box, dir string) {
	b.must(t, "export", "--hand-over", filepath.Join(dir, "../../auth.json"))
}

func takesBack(t *testing.T, b *box, dir string) {
	b.must(t, "import", filepath.Join(dir, "../../auth.json"))
	wantToken(t, b.run(t, "token"))
}

func isRevoked(t *testing.T, b *box, _ string) {
	t.Helper()
	wantFailure(t, b.run(t, "token"), verdict.SignedOut, "not signed in")
	if n := b.server.Counters().FamiliesRevoked; n != 1 {
		t.Errorf("%d logins ended", n)
	}
}

func firstKey(t *testing.T, b *box, dir string) {
	b.must(t, "serve", "key", "add", "ci", "--out", filepath.Join(dir, "first.key"))
}

// Whatever fails while a login or a key is given up, nothing is lost, and the same
// command once more does it: on a disk without room, on one that is read-only, and
// with too few descriptors, wherever they run out.
func TestGivingUpWhereSomethingFails(t *testing.T) {
	for name, g := range givings() {
		t.Run(name, func(t *testing.T) {
			t.Run("full", func(t *testing.T) {
				b, dir := g.begin(t)
				fillUp(t, dir)
				r := b.run(t, g.args(b, filepath.Dir(b.home))...)
				b.wantKept(t, r)
				if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
					t.Fatal(err)
				}
				g.complete(t, b)
			})
			t.Run("read-only", func(t *testing.T) {
				b, dir := g.begin(t)
				remount(t, dir, syscall.MS_RDONLY)
				r := b.run(t, g.args(b, filepath.Dir(b.home))...)
				b.wantKept(t, r)
				remount(t, dir, 0)
				g.complete(t, b)
			})
			t.Run("descriptors", func(t *testing.T) {
				b, _ := g.begin(t)
				for n := 4; n < 30; n++ { // each goes on where the one before was cut off
					cmd := b.command(g.args(b, filepath.Dir(b.home))...)
					cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, n), cmd.Path}, cmd.Args[1:]...)
					cmd.Path = "/bin/sh"
					if r := finish(cmd); r.code == verdict.Done {
						g.after(t, b, filepath.Dir(b.home))
						return
					}
				}
				g.complete(t, b)
			})
		})
	}
}

// begin is a box on a volume of its own, in which what g needs is there.
func (g giving) begin(t *testing.T) (b *box, volume string) {
	t.Helper()
	b = newBox(t, sandbox.Config{})
	volume = b.volume(t)
	b.signIn(t, "default")
	g.before(t, b, filepath.Dir(b.home))
	return b, volume
}

// wantKept wants a failure that told the server nothing and took nothing away.
func (b *box) wantKept(t *testing.T, r result) {
	t.Helper()
	if r.code == verdict.Done || r.code == verdict.SignedOut {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if c := b.server.Counters(); c.Revocations != 0 || c.RefreshRequests != 0 {
		t.Errorf("the server was told: %+v", c)
	}
}

// complete runs the command again, where nothing fails any more.
func (g giving) complete(t *testing.T, b *box) {
	t.Helper()
	dir := filepath.Dir(b.home)
	b.must(t, g.args(b, dir)...)
	g.after(t, b, dir)
	if n := b.server.Counters().Reuses; n != 0 {
		t.Errorf("%d reuses", n)
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=1m,mode=0700"); err != nil {
		t.Fatal(err)
	}
}
