//go:build unix

package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	peers "codexauth/internal/peer"
	"codexauth/internal/private"
	"codexauth/internal/rig/sockets"
)

func TestInheritedSocket(t *testing.T) {
	r := newRig(t, nil)
	path := socketPath(t)
	r.must(private.MkdirAll(filepath.Dir(path)))
	f := sockets.HandedOver(t, "unix", path)
	r.must(os.Chmod(path, 0o600))
	l, err := Inherit(f, nil, nil)
	r.must(err)
	r.serve(l)
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	resp, err := hc.Post("http://broker/token", "application/json", nil)
	r.must(err)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	r.server.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the service manager's socket is gone: %v", err)
	}
	r = newRig(t, nil)
	l, err = Inherit(sockets.HandedOver(t, "tcp", "127.0.0.1:0"), nil, nil)
	r.must(err)
	r.serve(l)
	r.addr = l.Addr().String()
	if status, _, _ := r.ask("GET", "/v1/models", "", "Authorization", ""); status != 401 {
		t.Errorf("TCP without a key: %d", status)
	}
}

func TestInheritedSocketsThatAreRefused(t *testing.T) {
	place := func(dir, socket os.FileMode) func(*testing.T) *os.File {
		return func(t *testing.T) *os.File {
			path := socketPath(t)
			if err := private.MkdirAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			f := sockets.HandedOver(t, "unix", path)
			if err := errors.Join(os.Chmod(path, socket), os.Chmod(filepath.Dir(path), dir)); err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	for _, tt := range []struct {
		name    string
		make    func(*testing.T) *os.File
		tls     *tls.Config
		allowed []int
		says    string // "" if it is taken
	}{
		{"private", place(0o700, 0o600), nil, nil, ""},
		{"a directory to look into", place(0o755, 0o600), nil, nil, map[bool]string{true: "", false: "open to other users"}[peers.Known]},
		{"open to others", place(0o755, 0o666), nil, nil, "SocketMode=0600"},
		{"open to the group", place(0o755, 0o660), nil, nil, "SocketMode=0600"},
		{"in a directory of everybody's", place(0o777, 0o600), nil, nil, "others can write"},
		{"in a temporary directory", place(0o777|os.ModeSticky, 0o600), nil, nil, "others can write"},
		{"every address", func(t *testing.T) *os.File { return sockets.HandedOver(t, "tcp", "0.0.0.0:0") }, nil, nil, "beyond this machine takes TLS"},
		{"every address, IPv6", func(t *testing.T) *os.File { return sockets.HandedOver(t, "tcp", ":0") }, nil, nil, "beyond this machine takes TLS"},
		{"every address, with TLS", func(t *testing.T) *os.File { return sockets.HandedOver(t, "tcp", "0.0.0.0:0") }, &tls.Config{}, nil, ""},
		{"loopback", func(t *testing.T) *os.File { return sockets.HandedOver(t, "tcp", "127.0.0.1:0") }, nil, nil, ""},
		{"no socket", func(t *testing.T) *os.File {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, nil, nil, "not a listening socket"},
		{"a connection", func(t *testing.T) *os.File {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			f, err := conn.(*net.TCPConn).File()
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, nil, nil, "not a listening socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Inherit(tt.make(t), tt.tls, tt.allowed)
			if err == nil {
				l.Close()
			}
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, ErrInherited) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v", err)
			}
		})
	}
	if !peers.Known {
		return
	}
	l, err := Inherit(place(0o755, 0o666)(t), nil, []int{65534})
	if err != nil {
		t.Fatalf("with an allowed user: %v", err)
	}
	l.Close()
	f := sockets.HandedOver(t, "unix", "@codexauth-test-"+filepath.Base(t.TempDir())+filepath.Base(filepath.Dir(t.TempDir())))
	if _, err := Inherit(f, nil, nil); err == nil || !strings.Contains(err.Error(), "no path") {
		t.Errorf("an abstract socket: %v", err)
	}
}
