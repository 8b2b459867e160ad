// Package freeport finds ports for tests and rigs that must know a port before
// somebody listens there, or give it up and take it again. A port that the kernel
// chose is not for them: as soon as it is free the kernel gives it to the next
// one who asks for any, and tests run beside each other.
package freeport

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

// The ports lie below those that Linux (from 32768), macOS and Windows (from
// 49152) give to whoever names none.
const (
	first = 10000
	count = 22500
	apart = 211 // where the next process begins: a prime, so that all of them are used
)

var asked atomic.Uint32

// Next returns a port that is free on 127.0.0.1, and on ::1 where there is one. A
// process is never given a port again, until it has had all of them. Next is safe
// for concurrent use.
func Next() (int, error) {
	for range count {
		port := first + (os.Getpid()*apart+int(asked.Add(1)))%count
		if free("tcp4", "127.0.0.1", port) && free("tcp6", "::1", port) {
			return port, nil
		}
	}
	return 0, errors.New("freeport: no port is free")
}

// One is Next for a test.
func One(t interface {
	Helper()
	Fatal(...any)
}) int {
	t.Helper()
	port, err := Next()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// free reports whether one may listen there. A host that this machine lacks is
// nobody's.
func free(network, host string, port int) bool {
	l, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		return l.Close() == nil
	}
	if l, err = net.Listen(network, net.JoinHostPort(host, "0")); err == nil {
		l.Close()
	}
	return err != nil
}
