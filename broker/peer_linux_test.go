package broker

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/internal/rig/sockets"
)

// dialAs connects to a Unix socket as another user.
func dialAs(uid int, path string) (net.Conn, error) {
	f, err := sockets.AsUser(uid, func(fd int) error { return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}) })
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileConn(f)
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
	if _, err := dialAs(allowed, path); err == nil {
		t.Error("somebody else got through a directory of mode 0700")
	}
	r.must(os.Chmod(filepath.Dir(filepath.Dir(path)), 0o711))
	r.must(os.Chmod(filepath.Dir(path), 0o711)) // as a mount into a container does
	ask := func(uid int, request string) (string, error) {
		conn, err := dialAs(uid, path)
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
