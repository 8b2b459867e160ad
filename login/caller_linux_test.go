package login

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"codexauth"
)

// The test binary runs itself as another user's program that connects.
const callVariable = "LOGIN_TEST_CALL"

func TestMain(m *testing.M) {
	if what := os.Getenv(callVariable); what != "" {
		call(strings.Split(what, "\n"))
		return
	}
	os.Exit(m.Run())
}

// call sends one request and prints the first line of the answer; with "reset" it
// hangs up at once, without waiting for any.
func call(args []string) {
	conn, err := net.Dial("tcp", args[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", args[1], args[0][strings.LastIndexByte(args[0], ':')+1:])
	switch args[2] {
	case "reset":
		conn.(*net.TCPConn).SetLinger(0)
	case "wait":
		line, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Println(strings.TrimSpace(line))
	}
	conn.Close()
}

// forAnyUser copies the test binary to where other users can run it.
func forAnyUser(t *testing.T) (program string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "caller") // t.TempDir is nobody else's to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program = dir + "/call"
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// callAs has a process of user uid call.
func callAs(t *testing.T, program string, uid int, addr, target, how string) string {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env = []string{callVariable + "=" + addr + "\n" + target + "\n" + how}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: true}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("as user %d: %v", uid, err)
	}
	return strings.TrimSpace(string(out))
}

// Real processes of another user at a real sign-in: on both stacks, as IPv4 over an
// IPv6 socket, and with a connection that is gone before anybody can look at it.
func TestProcessOfAnotherUserCantSignThePersonIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	opened := make(chan string, 1)
	var code string
	f := begin(t, t.Context(), &Browser{Open: func(u string) error { opened <- u; return nil }}, func(_ context.Context, g codexauth.Grant) error {
		code = g.Code
		return nil
	})
	program := forAnyUser(t)
	link := strings.TrimPrefix(<-opened, "http://localhost:"+strconv.Itoa(f.ready.Port))
	answer := "/auth/callback?code=theirs&state=" + f.state
	hosts := []string{"127.0.0.1", "::ffff:127.0.0.1"}
	if c, err := net.Dial("tcp6", fmt.Sprintf("[::1]:%d", f.ready.Port)); err == nil {
		c.Close()
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		addr := net.JoinHostPort(host, strconv.Itoa(f.ready.Port))
		for _, target := range []string{link, answer} {
			if got := callAs(t, program, 65533, addr, target, "wait"); !strings.Contains(got, "403") {
				t.Errorf("%s %s: %s", host, target, got)
			}
			callAs(t, program, 65533, addr, target, "reset")
			callAs(t, program, 65533, addr, target, "leave")
		}
	}
	if e := f.rejected(); !strings.Contains(e.Err.Error(), "65533") && !strings.Contains(e.Err.Error(), "hung up") {
		t.Errorf("told %v", e)
	}
	if got := get(t, "http://localhost:"+strconv.Itoa(f.ready.Port)+link, ""); got.status != http.StatusSeeOther {
		t.Errorf("the person's own browser: status %d", got.status)
	}
	browse(t, f.right("mine"))
	if err := f.wait(); err != nil || code != "mine" {
		t.Errorf("signed in with %q, %v", code, err)
	}
}
