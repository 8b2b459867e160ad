package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"codexauth/e2e/internal/rig"
)

// Somebody who holds only ::1 at the first port would get the code: a browser
// tries that address first for "localhost". So the sign-in moves on, and all that
// it says is about the port that it moved to.
func TestHardPortHeldOnIPv6(t *testing.T) {
	callers := squat(t, "[::1]:1455")
	s := rig.StartSandbox(t)
	cli := rig.NewCLI(t, s.Issuer).With("SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22") // has it say the port
	login := cli.StartLogin(t)
	if got, want := query(t, login.URL).Get("redirect_uri"), "http://localhost:1457/auth/callback"; got != want {
		t.Errorf("redirect_uri %q, want %q", got, want)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:1455"); err == nil {
		conn.Close()
		t.Error("the half of the first port that was free is still held")
	}
	tab := rig.StartChrome(t).NewPerson(t)
	consent(t, tab, login.URL)
	tab.Await(t, "You are signed in")
	r := login.Wait(t)
	wantCode(t, "login", r, exitDone)
	if strings.Contains(r.Stderr, "1455") || !strings.Contains(r.Stderr, "ssh -L 1457:localhost:1457 ") {
		t.Errorf("it names the wrong port: %q", r.Stderr)
	}
	if n := callers(); n != 0 {
		t.Errorf("%d connections to who holds the first port, want none", n)
	}
	token(t, cli)
}

// With both ports taken there is no sign-in, and who has them is named.
func TestHardBothPortsTaken(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who listens")
	}
	squat(t, "[::1]:1455")
	squat(t, "127.0.0.1:1457")
	s := rig.StartSandbox(t)
	cli := rig.NewCLI(t, s.Issuer)
	r := cli.Run(t, "login", "--no-browser")
	wantCode(t, "login", r, exitTryLater)
	for _, port := range []string{"1455", "1457"} {
		want := fmt.Sprintf(`%s is taken by \S+ \(process %d\)`, port, os.Getpid())
		if !regexp.MustCompile(want).MatchString(r.Stderr) {
			t.Errorf("it does not name who holds port %s: %q", port, r.Stderr)
		}
	}
	if !strings.Contains(r.Stderr, "hint: ") || strings.Contains(r.Stderr, s.Issuer) || r.Stdout != "" {
		t.Errorf("it says %q and %q", r.Stdout, r.Stderr)
	}
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
}

// squat listens at an address for the length of the test; callers tells how many
// have come.
func squat(t *testing.T, address string) (callers func() int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("can't listen at %s: %v", address, err)
	}
	var count atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
			count.Add(1)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return func() int { return int(count.Load()) }
}

// insideVariable tells the test process in a namespace without IPv6 that it is
// the one there.
const insideVariable = "CODEXAUTH_E2E_WITHOUT_IPV6"

// A machine whose IPv6 is switched off has a name "localhost" all the same.
func TestHardWithoutIPv6(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		rerunWithoutIPv6(t)
		return
	}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		t.Fatal("there is IPv6")
	}
	s := rig.StartSandbox(t)
	cli := rig.NewCLI(t, s.Issuer)
	r, text := answerInBrowser(t, cli, s.Issuer, allowBtn, "localhost")
	wantCode(t, "login", r, exitDone)
	if !strings.Contains(text, "You are signed in") {
		t.Errorf("the page does not say that the sign-in worked: %q", text)
	}
	if strings.Contains(r.Stderr, "::1") || strings.Contains(r.Stderr, "1457") {
		t.Errorf("it makes a fuss: %q", r.Stderr)
	}
	token(t, cli)
}

// rerunWithoutIPv6 runs the calling test in a process of its own, in a network
// namespace of its own that has IPv6 switched off.
func rerunWithoutIPv6(t *testing.T) {
	t.Helper()
	const enter = `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up && exec "$@"`
	inside := func(argv ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{"-n", "--", "sh", "-c", enter, "sh"}, argv...)...)
	}
	if out, err := inside("true").CombinedOutput(); err != nil {
		t.Skipf("no network namespace without IPv6 available: %v: %s", err, strings.TrimSpace(string(out)))
	}
	cmd := inside(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("without IPv6: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("skipped there, too:\n%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("it did not run there:\n%s", out)
	}
}
