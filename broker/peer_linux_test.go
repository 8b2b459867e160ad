package broker

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialAs connects to a Unix socket as another user: the kernel notes the
// effective user of the thread that connects.
func dialAs(t *testing.T, uid int, path string) (net.Conn, error) {
	t.Helper()
	type result struct {
		conn net.Conn
		err  error
	}
	c := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its user
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			c <- result{nil, errno}
			return
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		}
		if err != nil {
			c <- result{nil, err}
			return
		}
		f := os.NewFile(uintptr(fd), "socket")
		defer f.Close()
		conn, err := net.FileConn(f)
		c <- result{conn, err}
	}()
	r := <-c
	return r.conn, r.err
}

// Another user reaches the socket only where the directory lets them through, and
// then the kernel tells who they are: a stranger is hung up on, an allowed user is
// served and gets no token.
func TestAnotherUserOnTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const allowed, stranger = 65533, 65534
	r := newRig(t, nil)
	path := socketPath(t)
	l, err := ListenUnix(path, []int{allowed})
	r.must(err)
	r.serve(l)
	if _, err := dialAs(t, allowed, path); err == nil {
		t.Error("somebody else got through a directory of mode 0700")
	}
	r.must(os.Chmod(filepath.Dir(filepath.Dir(path)), 0o711))
	r.must(os.Chmod(filepath.Dir(path), 0o711)) // as a mount into a container does
	ask := func(uid int, request string) (string, error) {
		conn, err := dialAs(t, uid, path)
		r.must(err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: broker\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return "", err
		}
		return resp.Status, nil
	}
	if answer, err := ask(stranger, "GET /v1/models"); err == nil {
		t.Errorf("a stranger got %s", answer)
	}
	for request, want := range map[string]string{"GET /v1/models": "200", "GET /metrics": "200", "POST /token": "403"} {
		if got, err := ask(allowed, request); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("an allowed user: %s: %s %v", request, got, err)
		}
	}
	r.server.Close()
	if log := r.log.String(); !strings.Contains(log, `who="uid 65533" method=POST path=/token status=403`) || strings.Contains(log, "65534") {
		t.Errorf("the audit log: %s", log)
	}
}
