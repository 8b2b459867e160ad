//go:build unix

package broker

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	peers "codexauth/internal/peer"
)

// socketPath is short: a test's own directory may be too deep for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "broker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "sock", "b.sock")
}

func TestUnixSocket(t *testing.T) {
	r := newRig(t, nil)
	path := socketPath(t)
	old := syscall.Umask(0) // the worst
	l, err := ListenUnix(path, nil)
	syscall.Umask(old)
	r.must(err)
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Lstat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := ListenUnix(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second listener: %v", err)
	}
	r.serve(l)
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for _, key := range []string{"", "Bearer whatever an SDK insists on"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://broker/token", nil)
		r.must(err)
		req.Header.Set("Authorization", key)
		resp, err := hc.Do(req)
		r.must(err)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
		req.Header.Set("Origin", "http://evil.example")
		resp, err = hc.Do(req)
		r.must(err)
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("with an Origin: status %d", resp.StatusCode)
		}
	}
	r.server.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if peers.Known && !strings.Contains(r.log.String(), `who="uid `) {
		t.Errorf("the audit log does not say who: %s", r.log)
	}
	l, err = ListenUnix(path, nil)
	r.must(err)
	l.Close()
}

func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if _, err := ListenUnix(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("somebody answers: %v", err)
	}
	dead.Close() // as if its process had died
	l, err := ListenUnix(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestUnfitPlacesForASocket(t *testing.T) {
	path := socketPath(t)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(path, nil); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(path, nil); err == nil || !strings.Contains(err.Error(), "open to other users") {
		t.Errorf("an open directory: %v", err)
	}
	if _, err := ListenUnix("/tmp/"+strings.Repeat("x", 110), nil); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a long path: %v", err)
	}
}

func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		uid         int
		known       bool
		in, mayHave bool
	}{
		{1000, true, true, true}, {1001, true, true, false}, {1002, true, false, false}, {0, true, false, false}, {0, false, true, true},
	} {
		p, ok := judge(tt.uid, tt.known, 1000, []int{1001})
		if ok != tt.in || ok && p.own != tt.mayHave {
			t.Errorf("%+v: %v %v", tt, p, ok)
		}
	}
}

// A peer of another user is hung up on.
func TestStrangerIsHungUpOn(t *testing.T) {
	if !peers.Known {
		t.Skip("this system does not tell who a peer is")
	}
	l, err := ListenUnix(socketPath(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ul := l.(*unixListener)
	ul.me++ // now everybody is a stranger
	accepted := make(chan error, 1)
	go func() { _, err := ul.Accept(); accepted <- err }()
	conn, err := net.Dial("unix", ul.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	l.Close()
	if err := <-accepted; err == nil {
		t.Error("the stranger was let in")
	}
}

// A socket that was deleted, and made again by somebody else, is theirs.
func TestCloseLeavesAnothersSocketAlone(t *testing.T) {
	path := socketPath(t)
	first, err := ListenUnix(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.Remove(path+".lock")); err != nil {
		t.Fatal(err)
	}
	second, err := ListenUnix(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	first.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the second one's socket is gone: %v", err)
	}
	conn.Close()
	second.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its own is left: %v", err)
	}
}
