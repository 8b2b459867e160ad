// Package freeport finds ports for tests and rigs that must know a port before
// somebody listens there, or give it up and take it again. A port that the kernel
// chose is not for them: as soon as it is free the kernel gives it to the next
// one who asks for any, and tests run beside each other.
package freeport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

const (
	first = 10000
	apart = 211 // where the next process begins: a prime, so that all ports are used
)

var asked atomic.Uint32

// count is how many ports there are, all below those that the system gives to whoever
// names none: from 32768 on Linux, unless it is set up otherwise, and from 49152 on
// macOS and Windows.
var count = sync.OnceValue(func() int {
	const usual, few = 32500, 2000
	var from int
	if data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		fmt.Sscan(string(data), &from)
	}
	if from < first+few || from > usual {
		from = usual
	}
	return from - first
})

// Next returns a port that is free on 127.0.0.1, and on ::1 where there is one. It is
// this process's from then on: it is given neither to another process that asks here,
// while this one lives, nor to this one again, until it has had all of them. Next is
// safe for concurrent use.
func Next() (int, error) {
	for range count() {
		port := first + (os.Getpid()*apart+int(asked.Add(1)))%count()
		if reserve(port) && free("tcp4", "127.0.0.1", port) && free("tcp6", "::1", port) {
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

// reserved are the ports of this process, each with what others see it by: the system
// takes that away when the process ends.
var reserved sync.Map

// reserve reports whether the port is this process's.
func reserve(port int) bool {
	if _, ok := reserved.Load(port); ok {
		return true
	}
	sign, err := mark(port)
	if err == nil {
		reserved.Store(port, sign)
	}
	return err == nil
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
