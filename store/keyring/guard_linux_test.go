package keyring

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"codexauth/internal/rig/keyringtest"
)

const inDesktop = "DISPLAY=:99"

// launcher puts a dbus-launch into the rig's PATH that leaves a mark, and fails
// the test if it was ever called.
func (r *rig) launcher(t *testing.T) {
	t.Helper()
	mark := filepath.Join(r.Dir, "launched")
	script := fmt.Sprintf("#!/bin/sh\ntouch %s\n", mark)
	if err := os.WriteFile(filepath.Join(r.Dir, "dbus-launch"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "PATH="+r.Dir+":"+os.Getenv("PATH"))
	t.Cleanup(func() {
		if _, err := os.Stat(mark); err == nil {
			t.Error("dbus-launch was called")
		}
	})
}

// skipIfBus skips where the user has a bus that is found without a variable.
func skipIfBus(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Geteuid())); err == nil {
		t.Skip("this user has a session's bus at the usual place")
	}
}

// Without a bus: an error at once, and nothing is launched, whatever the
// variables say.
func TestNoBus(t *testing.T) {
	skipIfBus(t)
	for _, address := range []string{"", "autolaunch:", "autolaunch:scope=*user"} {
		for _, desktop := range []string{"DISPLAY=", inDesktop} {
			r := &rig{Session: &keyringtest.Session{Dir: t.TempDir()}}
			r.dir = filepath.Join(r.Dir, "store")
			r.launcher(t)
			r.env = append(r.env, "DBUS_SESSION_BUS_ADDRESS="+address, desktop)
			r.wantKind(t, "import work", "unavailable", soon, "DBUS_SESSION_BUS_ADDRESS", "key file")
			r.wantKind(t, "probe", "unavailable", soon)
			r.wantNothingLeft(t)
			if _, err := os.Stat(filepath.Join(r.dir, "record-work")); !os.IsNotExist(err) {
				t.Errorf("something was stored: %v", err)
			}
		}
	}
}

// A bus at the usual place is found without a variable, by the library as well.
func TestBusAtTheUsualPlace(t *testing.T) {
	skipIfBus(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can put a bus at the usual place, for one process")
	}
	r := unlocked(t)
	r.launcher(t)
	cmd, hold := r.child(t, "import work")
	script := fmt.Sprintf(`mount -t tmpfs tmpfs /run && mkdir -p /run/user/0 && ln -s %s/bus /run/user/0/bus && exec "$0" "$@"`, r.Dir)
	inside := exec.Command("unshare", append([]string{"-m", "sh", "-c", script}, cmd.Args...)...)
	inside.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS=")
	hold.Close()
	out, err := inside.CombinedOutput()
	if err != nil {
		t.Skipf("no mount namespace available here: %v: %s", err, out)
	}
	var s said
	if err := json.Unmarshal(out, &s); err != nil || s.Kind != "" {
		t.Fatalf("%s", out)
	}
	r.wantFine(t, "token work") // by the variable
}

// An address at which nobody is any more, or that is none.
func TestStaleAddress(t *testing.T) {
	stale := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, address := range []string{"unix:path=" + stale, "unix:path=/nowhere", "tcp:host=127.0.0.1,port=1", "nonsense", "x:y"} {
		r := &rig{Session: &keyringtest.Session{Dir: t.TempDir(), Address: address}}
		r.dir = filepath.Join(r.Dir, "store")
		r.launcher(t)
		r.wantKind(t, "import work", "unavailable", soon, "can't be reached")
		r.wantNothingLeft(t)
	}
}

// Somebody who takes calls and answers none is no keyring either, after a while.
func TestSilentBus(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := &rig{Session: &keyringtest.Session{Dir: t.TempDir(), Address: "unix:path=" + path}}
	r.dir = filepath.Join(r.Dir, "store")
	r.wantKind(t, "import work", "timeout", 6*time.Second, "bus")
	r.wantKind(t, "probe", "timeout", soon)
}

// A bus without a Secret Service. Without a desktop nobody starts one.
func TestNoService(t *testing.T) {
	r := newRig(t)
	r.wantKind(t, "import work", "unavailable", soon, "org.freedesktop.secrets")
	r.wantKind(t, "probe", "unavailable", soon)
	r.env = []string{inDesktop}
	r.wantKind(t, "import work", "unavailable", soon, "org.freedesktop.secrets")
	r.wantNothingLeft(t)
}

// A service with nothing to keep secrets in.
func TestNoCollection(t *testing.T) {
	r := newRig(t)
	r.Fake(t, keyringtest.Behaviour{Empty: true})
	r.wantKind(t, "import work", "unavailable", soon, "password manager")
}

// A real keyring that is locked: nobody is asked without a desktop, and where the
// question can't be shown that is not waited for.
func TestLocked(t *testing.T) {
	r := unlocked(t)
	r.wantFine(t, "import work")
	r.Lock(t)
	r.wantKind(t, "token work", "locked", soon, "no desktop")
	r.wantKind(t, "probe", "locked", soon)
	r.env = []string{inDesktop}
	r.wantKind(t, "token work", "locked", soon, "could not be shown", "unlock it")
	r.wantKind(t, "import other", "locked", soon)
	r.wantNothingLeft(t)
}

// The desktop asks for the password, and a person answers, says no, or is away.
func TestPrompt(t *testing.T) {
	for _, test := range []struct {
		name       string
		does       keyringtest.Behaviour
		kind, text string
		asked      int
		dismissed  int
	}{
		{"unlocks", keyringtest.Behaviour{Locked: true, Answer: "unlock", After: 200 * time.Millisecond}, "", "", 1, 0},
		{"declines", keyringtest.Behaviour{Locked: true, Answer: "decline"}, "locked", "declined", 1, 0},
		{"is away", keyringtest.Behaviour{Locked: true}, "locked", "not given in 1s", 1, 1},
		{"is away, and the service silent", keyringtest.Behaviour{Locked: true, Silent: true}, "locked", "not given in 1s", 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			f := r.Fake(t, test.does)
			r.wantKind(t, "import other", "locked", soon, "no desktop")
			if asked, _ := f.Questions(); asked != 0 {
				t.Errorf("a question was shown where there is no desktop")
			}
			_, before := f.Questions()
			r.env = []string{inDesktop}
			r.wantKind(t, "import work", test.kind, 5*time.Second, test.text)
			if asked, dismissed := f.Questions(); asked != test.asked || dismissed-before != test.dismissed {
				t.Errorf("asked %d times and took back %d, want %d and %d", asked, dismissed-before, test.asked, test.dismissed)
			}
		})
	}
}

// A service that refuses, each time in its own words.
func TestRefusals(t *testing.T) {
	for name, kind := range map[string]string{
		"org.freedesktop.DBus.Error.AccessDenied":     "denied",
		"org.freedesktop.Secret.Error.IsLocked":       "locked",
		"org.freedesktop.Secret.Error.NoSuchObject":   "missing",
		"org.freedesktop.DBus.Error.NoReply":          "timeout",
		"org.freedesktop.DBus.Error.UnknownMethod":    "unavailable",
		"org.freedesktop.DBus.Error.Spawn.ExecFailed": "unavailable",
		"org.example.Mood":                            "other",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Fake(t, keyringtest.Behaviour{Denied: name})
			r.wantKind(t, "import work", kind, soon)
		})
	}
}

// No caller begins with what GNOME Keyring may die of; making a key is what would.
func TestFirstRequestIsHarmless(t *testing.T) {
	r := newRig(t)
	f := r.Fake(t, keyringtest.Behaviour{})
	parts := []string{"import work", "token work", "probe"}
	for _, part := range parts {
		r.wantFine(t, part)
	}
	if callers := len(f.First()); callers < 2*len(parts) {
		t.Errorf("%d callers were seen, want the guard's connection and the library's in each of %q", callers, parts)
	}
	for _, method := range f.First() {
		if method != "ReadAlias" {
			t.Errorf("a caller began with %s", method)
		}
	}
}

// A keyring that does not keep what it was given is found out before anything is
// sealed with it.
func TestForgetful(t *testing.T) {
	r := newRig(t)
	r.Fake(t, keyringtest.Behaviour{Forgets: true})
	r.wantKind(t, "import work", "missing", soon)
	if _, err := os.Stat(filepath.Join(r.dir, "record-work")); !os.IsNotExist(err) {
		t.Errorf("something was stored: %v", err)
	}
}

// A daemon, or the bus itself, that is stopped: an error after the time that it
// was given, nothing stored, and all is well when it goes on.
func TestHangingDaemon(t *testing.T) {
	for _, who := range []string{"keyring", "bus"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r := unlocked(t)
			r.wantFine(t, "import work")
			p := r.Keeper
			if who == "bus" {
				p = r.Bus
			}
			keyringtest.Stop(t, p)
			r.wantKind(t, "token work", "timeout", 6*time.Second, "restart")
			r.wantKind(t, "import other", "timeout", 6*time.Second)
			r.wantKind(t, "probe", "timeout", soon)
			keyringtest.Continue(t, p)
			r.wantFine(t, "token work")
			r.wantFine(t, "import other")
			if n := len(r.Items(t)); n != 1 {
				t.Errorf("%d items in the keyring, want one", n)
			}
			r.wantNothingLeft(t)
		})
	}
}

func TestProbe(t *testing.T) {
	r := unlocked(t)
	r.wantFine(t, "probe")
	if n := len(r.Items(t)); n != 0 {
		t.Errorf("%d items were made", n)
	}
}
