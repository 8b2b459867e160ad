package client_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/internal/rig/sockets"
)

// listenAs listens on a Unix socket as another user.
func listenAs(t *testing.T, uid int, path string) net.Listener {
	t.Helper()
	f, err := sockets.AsUser(uid, func(fd int) error {
		return errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 8))
	})
	must(t, err)
	defer f.Close()
	l, err := net.FileListener(f)
	must(t, err)
	return l
}

// A stranger's socket in a directory that everybody can write to is not used, nor
// told anything; one whose user the address names is.
func TestSocketOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, err := os.MkdirTemp("", "client")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	path := filepath.Join(dir, "b.sock")
	var asked atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Write([]byte(`{"access_token":"theirs","account_id":"theirs","expires_in":3600}`))
	})}
	go srv.Serve(listenAs(t, 65533, path))
	defer srv.Close()
	for _, address := range []string{"broker+unix:" + path, "broker+unix:" + path + "?uid=65532"} {
		c, err := client.New(address, client.Options{})
		must(t, err)
		_, err = c.Lease(t.Context(), codexauth.LeaseRequest{})
		var stranger *client.StrangerError
		if !errors.As(err, &stranger) || stranger.UID != 65533 || !errors.Is(err, client.ErrNotBroker) || errors.Is(err, codexauth.ErrTransient) ||
			!strings.Contains(err.Error(), "?uid=65533") {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := c.HTTPClient().Get(c.BaseURL() + "/models"); !errors.As(err, &stranger) {
			t.Errorf("%s: a request: %v", address, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the stranger was asked %d times", n)
	}
	c, err := client.New("broker+unix:"+path+"?uid=65533", client.Options{})
	must(t, err)
	if c.String() != "broker+unix:"+path+"?uid=65533" {
		t.Errorf("%s", c)
	}
	if l, err := c.Lease(t.Context(), codexauth.LeaseRequest{}); err != nil || l.Token.AccountID != "theirs" {
		t.Errorf("%v, %v", l, err)
	}
}
