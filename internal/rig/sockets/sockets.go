// Package sockets makes the sockets of others for tests: those that a service manager
// hands over, and on Linux those of another user.
package sockets

import (
	"net"
	"os"
	"testing"
)

// HandedOver is a listening socket as a service manager hands one over. Its file, if
// it has one, stays where it is.
func HandedOver(t testing.TB, network, addr string) *os.File {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if ul, ok := l.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Cleanup(func() { f.Close() })
	return f
}
