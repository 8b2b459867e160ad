package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/keyringtest"
	"codexauth/sandbox"
)

// A ringBox is a box in a session of its own, whose store is a keyring's.
type ringBox struct {
	*box
	*keyringtest.Session
}

func newRingBox(t *testing.T) *ringBox {
	t.Helper()
	b := &ringBox{newBox(t, sandbox.Config{}), keyringtest.Start(t)}
	b.env = append(b.env, "DBUS_SESSION_BUS_ADDRESS="+b.Address, "XDG_RUNTIME_DIR="+b.Dir,
		"CODEXAUTH_STORE=keyring:", "BROWSER=person-auto")
	return b
}

// unlocked is a ringBox with a real keyring.
func unlocked(t *testing.T) *ringBox {
	t.Helper()
	b := newRingBox(t)
	b.Unlock(t)
	return b
}

// fine runs a command that is to succeed and to tell neither key nor token.
func (b *ringBox) fine(t *testing.T, args ...string) result {
	t.Helper()
	r := b.run(t, args...)
	if r.code != verdict.Done {
		t.Fatalf("%q: exit %d; it said %q", args, r.code, r.stderr)
	}
	if strings.Contains(r.stderr+strings.Join(args, " "), "AGE-SECRET-KEY") || strings.Contains(r.stderr, "eyJhbGci") {
		t.Errorf("%q shows a secret: %q", args, r.stderr)
	}
	return r
}

// signIn signs in with a browser.
func (b *ringBox) signIn(t *testing.T) { t.Helper(); b.fine(t, "login", "--force") }

// signInExpired stores a login that needs a refresh, with counters at zero.
func (b *ringBox) signInExpired(t *testing.T) {
	t.Helper()
	b.server.SetAccessTTL(-time.Hour)
	b.signIn(t)
	b.server.SetAccessTTL(time.Hour)
	b.server.ResetCounters()
}

func TestKeyringStore(t *testing.T) {
	b := unlocked(t)
	dir := filepath.Join(b.home, "keyring")
	if r := b.run(t, "status"); r.code != verdict.SignedOut || !strings.Contains(r.stdout, "keyring:"+dir) {
		t.Errorf("exit %d: %q", r.code, r.stdout)
	}
	r := b.fine(t, "login")
	if !strings.Contains(r.stderr, "stored in keyring:"+dir) {
		t.Errorf("it said %q", r.stderr)
	}
	token := wantToken(t, b.fine(t, "token"))
	var status statusBody
	if err := json.Unmarshal([]byte(b.fine(t, "status", "--json").stdout), &status); err != nil {
		t.Fatal(err)
	}
	if status.Store != "keyring:"+dir || !status.Sealed || status.State != "valid" {
		t.Errorf("status %+v", status)
	}
	if text := b.fine(t, "status").stdout; !regexp.MustCompile(`(?m)^Sealed +yes$`).MatchString(text) {
		t.Errorf("status does not say that it is sealed: %q", text)
	}
	record, err := os.ReadFile(filepath.Join(dir, "record-default"))
	if err != nil || bytes.Contains(record, []byte("eyJhbGciO")) || bytes.Contains(record, []byte("refresh_token")) {
		t.Errorf("the record is not sealed (%v)", err)
	}
	b.fine(t, "refresh")
	if again := wantToken(t, b.fine(t, "token")); again == token {
		t.Error("a refresh brought no other token")
	}
	b.fine(t, "--profile", "work", "login")
	if n := len(b.Items(t)); n != 1 {
		t.Errorf("%d items for two profiles, want one", n)
	}
	if list := b.fine(t, "profile", "list").stdout; strings.Count(list, " valid ") != 2 {
		t.Errorf("profile list: %q", list)
	}

	// What a keyring store does not do.
	wantFailure(t, b.run(t, "store", "reseal", "--to", "plain"), verdict.Usage, "store copy keyring: file:DIR")
	key := filepath.Join(b.Dir, "key")
	b.fine(t, "store", "keygen", key)
	wantFailure(t, b.run(t, "--identity-file", key, "token"), verdict.Usage, "one of its own", "--store file:DIR")

	// What comes in and goes out.
	auth := filepath.Join(b.Dir, "auth.json")
	b.fine(t, "export", "--hand-over", auth)
	if r := b.run(t, "token"); r.code != verdict.SignedOut {
		t.Errorf("exit %d after a hand-over", r.code)
	}
	b.fine(t, "import", auth)
	b.fine(t, "refresh")
	b.fine(t, "logout")
	b.fine(t, "profile", "rm", "default", "--force")
	b.fine(t, "profile", "rm", "work", "--force")
	b.fine(t, "login")
	if c := b.server.Counters(); c.Reuses != 0 {
		t.Errorf("counters %+v", c)
	}
	if left := b.Strangers(t); len(left) > 0 {
		t.Errorf("processes were left behind: %q", left)
	}
}

// The process that refreshes gets the key by pipe and asks no keyring; the key is
// in nobody's arguments or environment. Whoever started it may be killed.
func TestKeyringRefreshInChild(t *testing.T) {
	b := unlocked(t)
	b.signInExpired(t)
	key := b.Secrets(t)
	b.setFaults(t, "latency-after=1500ms*1")
	r := b.start(t, "-v", "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	record := filepath.Join(b.home, "keyring", "record-default")
	before, err := os.ReadFile(record) // the note
	if err != nil {
		t.Fatal(err)
	}
	keyringtest.Stop(t, b.Keeper)
	if shown := shownBySystem(t, key[0]); len(shown) > 0 {
		t.Errorf("the system shows the key in %v", shown)
	}
	r.signal(t, syscall.SIGKILL)
	r.end(t)
	if strings.Contains(r.said.String(), key[0]) {
		t.Error("the log shows the key")
	}
	eventually(t, "the save", func() bool { now, err := os.ReadFile(record); return err == nil && !bytes.Equal(now, before) })
	keyringtest.Continue(t, b.Keeper)
	wantToken(t, b.fine(t, "token"))
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("counters %+v, want one token request", c)
	}
}

// Only the process that the person started asks the keyring, and only once.
func TestKeyringIsAskedOnce(t *testing.T) {
	b := newRingBox(t)
	f := b.Fake(t, keyringtest.Behaviour{})
	b.signInExpired(t)
	before := f.Reads()
	wantToken(t, b.fine(t, "token"))
	if n := f.Reads() - before; n != 1 || b.server.Counters().Refreshes != 1 {
		t.Errorf("the keyring was asked %d times for a refresh, want once", n)
	}
}

// shownBySystem lists the files in which the system shows arguments and
// environments of all processes and that hold the text.
func shownBySystem(t *testing.T, text string) (files []string) {
	t.Helper()
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/proc/[0-9]*/environ"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, _ := os.ReadFile(path) // another user's, or of a process that has ended
			if bytes.Contains(data, []byte(text)) {
				files = append(files, path)
			}
		}
	}
	return files
}

// A login moves into a keyring and out again, also with a key file on one side.
func TestKeyringMove(t *testing.T) {
	b := unlocked(t)
	b.env = append(b.env, "CODEXAUTH_STORE=")
	b.box.signIn(t, "default")
	b.fine(t, "store", "copy", "file:", "keyring:")
	if r := b.run(t, "token"); r.code != verdict.SignedOut {
		t.Errorf("exit %d: the file store still has it", r.code)
	}
	wantToken(t, b.fine(t, "--store", "keyring:", "token"))
	wantFailure(t, b.run(t, "store", "copy", "keyring:", "file:"+filepath.Join(b.home, "keyring")), verdict.Usage, "same directory")
	wantFailure(t, b.run(t, "store", "copy", "keyring:", "keyring:"), verdict.Usage, "same store")

	key, sealed := filepath.Join(b.Dir, "key"), "file:"+filepath.Join(b.Dir, "sealed")
	b.fine(t, "store", "keygen", key)
	b.fine(t, "--identity-file", key, "store", "copy", "keyring:", sealed)
	if r := b.run(t, "--store", sealed, "token"); r.code != verdict.Failed {
		t.Errorf("exit %d: it is not sealed with the key file", r.code)
	}
	wantToken(t, b.fine(t, "--store", sealed, "--identity-file", key, "token"))
	b.fine(t, "--identity-file", key, "store", "copy", sealed, "keyring:"+filepath.Join(b.Dir, "other"))
	b.fine(t, "--store", "keyring:"+filepath.Join(b.Dir, "other"), "refresh")
	if n := len(b.Items(t)); n != 2 {
		t.Errorf("%d items for two directories", n)
	}
	if c := b.server.Counters(); c.Reuses != 0 {
		t.Errorf("counters %+v", c)
	}
}

// Without a keyring, or with one that gives no key, nothing is stored and nobody
// is sent to the browser in vain. Each case has its own code.
func TestKeyringFailures(t *testing.T) {
	b := newRingBox(t)
	wantFailure(t, b.run(t, "login"), verdict.Failed, "there is no keyring here", "store keygen", "--identity-file FILE")
	wantCode := func(code string, exit int, args ...string) {
		t.Helper()
		r := b.run(t, append([]string{"--json"}, args...)...)
		if r.code != exit || !strings.HasPrefix(r.stderr, `{"error":{"code":"`+code+`",`) {
			t.Errorf("%q: exit %d, want %d and the code %s; it said %q", args, r.code, exit, code, r.stderr)
		}
	}
	wantCode("keyring_unavailable", verdict.Failed, "login")
	b.Unlock(t)
	b.signIn(t)
	b.Lock(t)
	wantCode("keyring_locked", verdict.Failed, "token")
	wantCode("keyring_locked", verdict.Failed, "--profile", "work", "login")
	if r := b.run(t, "profile", "list"); r.code != verdict.Done || !strings.Contains(r.stdout, "unreadable") {
		t.Errorf("exit %d: %q", r.code, r.stdout)
	}
	if c := b.server.Counters(); c.CodeExchanges != 1 || c.Refreshes != 0 {
		t.Errorf("counters %+v: something was asked of the server", c)
	}
	if left := b.Strangers(t); len(left) > 0 {
		t.Errorf("processes were left behind: %q", left)
	}
}

// An item that was deleted: told, and nothing new in its place until the person
// removes what it sealed.
func TestKeyringItemDeleted(t *testing.T) {
	b := unlocked(t)
	b.signIn(t)
	b.DeleteItems(t)
	for _, args := range [][]string{{"token"}, {"login"}, {"login", "--force"}, {"--profile", "work", "login"}} {
		wantFailure(t, b.run(t, args...), verdict.Failed, "not in the keyring", "profile rm")
	}
	if n := len(b.Items(t)); n != 0 {
		t.Errorf("%d items were made", n)
	}
	b.fine(t, "profile", "rm", "default", "--force")
	b.fine(t, "login")
	wantToken(t, b.fine(t, "token"))
}

// A plain login in a keyring's directory is refused, and can be signed in over.
func TestKeyringPlainRecord(t *testing.T) {
	b := unlocked(t)
	dir := filepath.Join(b.home, "keyring")
	if err := signIn(b.server, dir, "default"); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, b.run(t, "token"), verdict.Failed, "not sealed", "store copy")
	wantFailure(t, b.run(t, "login"), verdict.Failed, "not sealed", "--force")
	b.fine(t, "login", "--force")
	wantToken(t, b.fine(t, "token"))
}

// A keyring that hangs is given up in a bounded time.
func TestKeyringHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	b := unlocked(t)
	b.signIn(t)
	b.fine(t, "--profile", "work", "login")
	keyringtest.Stop(t, b.Keeper)
	start := time.Now()
	wantFailure(t, b.run(t, "token"), verdict.TryLater, "does not answer")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	start = time.Now()
	b.fine(t, "profile", "list") // which waits once, however many there are
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A person at a terminal is told that a window asks, and can give up at any time.
func TestKeyringPromptAtTerminal(t *testing.T) {
	b := newRingBox(t)
	f := b.Fake(t, keyringtest.Behaviour{Locked: true})
	cmd := b.command("login")
	cmd.Env = append(cmd.Env, "DISPLAY=:99")
	term := atTerminal(t, cmd)
	term.await(t, "The keyring is locked: a window asks")
	eventually(t, "the question", func() bool { asked, _ := f.Questions(); return asked == 1 })
	term.typeIn(t, "\x03")
	term.end(t, verdict.Cancelled)
	eventually(t, "the question's end", func() bool { _, dismissed := f.Questions(); return dismissed == 1 })
	if c := b.server.Counters(); c.CodeExchanges != 0 {
		t.Errorf("counters %+v", c)
	}
}

// Who signs in at a terminal is told that a plain store is plain, and of their
// keyring where one answers. Nobody waits for that.
func TestLoginMentionsKeyring(t *testing.T) {
	var waited time.Duration
	login := func(b *ringBox, env ...string) *terminal {
		cmd := b.command("login")
		cmd.Env = append(append(cmd.Env, "CODEXAUTH_STORE="), env...)
		term := atTerminal(t, cmd)
		term.await(t, "Signed in as")
		start := time.Now()
		term.await(t, "in plain text")
		waited = time.Since(start)
		term.end(t, verdict.Done)
		return term
	}
	const offer = "`codexauth store copy file: keyring:` seals it with a key in your keyring"
	b := unlocked(t)
	slow := filepath.Join(b.Dir, "slow-person") // as people are; the keyring is asked meanwhile
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nsleep 2\nexec person-auto \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if screen := login(b, "BROWSER="+slow).screen(); !strings.Contains(screen, offer) {
		t.Errorf("the keyring is not mentioned: %q", screen)
	}
	if n := len(b.Items(t)); n != 0 {
		t.Errorf("%d items were made", n)
	}
	for name, env := range map[string]string{"no bus": "DBUS_SESSION_BUS_ADDRESS=", "a stale bus": "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere"} {
		b := newRingBox(t)
		if screen := login(b, env).screen(); strings.Contains(screen, offer) || !strings.Contains(screen, "codexauth store seal") {
			t.Errorf("%s: %q", name, screen)
		}
	}
	b = unlocked(t)
	keyringtest.Stop(t, b.Keeper)
	term := login(b)
	if strings.Contains(term.screen(), offer) {
		t.Errorf("a keyring that hangs is mentioned: %q", term.screen())
	}
	if waited > probeTime/2 {
		t.Errorf("a keyring that hangs held up the end by %v", waited)
	}
}

// Nothing of D-Bus runs for a file store.
func TestFileStoreAsksNoBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(called)
				return
			}
			c.Close()
			called <- struct{}{}
		}
	}()
	b := newBox(t, sandbox.Config{})
	b.env = append(b.env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+path, "BROWSER=person-auto", "DISPLAY=:99")
	for _, args := range [][]string{{"login"}, {"status"}, {"token"}, {"refresh"}, {"profile", "list"}, {"logout"}} {
		if r := b.run(t, args...); r.code != verdict.Done {
			t.Errorf("%q: exit %d: %q", args, r.code, r.stderr)
		}
	}
	l.Close()
	if n := len(called); n != 0 {
		t.Errorf("the bus was called %d times", n)
	}
}
