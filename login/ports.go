package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"codexauth/internal/oauth"
)

// kernelPortTries bounds the search for a port that is free on both stacks.
const kernelPortTries = 8

type listenFunc func(ctx context.Context, network, address string) (net.Listener, error)

func systemListen(ctx context.Context, network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
}

// listen takes the first port of ports that is free on 127.0.0.1 and on ::1. A
// browser may try either address for "localhost", and whoever listens there
// gets the code: so both are ours before anybody sees the URL.
func listen(ctx context.Context, listenOn listenFunc, ports []int) ([]net.Listener, int, error) {
	var problems []string
	for _, port := range ports {
		if ctx.Err() != nil {
			return nil, 0, fmt.Errorf("the sign-in was cancelled: %w", context.Cause(ctx))
		}
		tries := 1
		if port == 0 {
			tries = kernelPortTries
		}
		var err error
		for range tries {
			var listeners []net.Listener
			if listeners, err = listenBoth(ctx, listenOn, port); err == nil {
				return listeners, listeners[0].Addr().(*net.TCPAddr).Port, nil
			}
		}
		problems = append(problems, portProblem(port, err))
	}
	return nil, 0, fmt.Errorf("%w: %s; close the programs that hold them, or sign in with a device code", ErrPortsTaken, strings.Join(problems, ", "))
}

// Port is a port for the redirect URI of a sign-in in the browser. Err is nil if
// it is free, and otherwise says who holds it, as far as the system tells.
type Port struct {
	Number int
	Err    error
}

// CheckPorts finds out which ports a sign-in could use, by listening on each for
// an instant; nil is the registered ones.
func CheckPorts(ctx context.Context, ports []int) []Port {
	if ports == nil {
		ports = oauth.CallbackPorts()
	}
	var result []Port
	for _, number := range ports {
		port := Port{Number: number}
		listeners, err := listenBoth(ctx, systemListen, number)
		if err != nil {
			port.Err = fmt.Errorf("%w: %s", ErrPortsTaken, portProblem(number, err))
		}
		closeAll(listeners)
		result = append(result, port)
	}
	return result
}

func listenBoth(ctx context.Context, listenOn listenFunc, port int) (all []net.Listener, err error) {
	var missing error
	for _, stack := range []struct{ network, host string }{{"tcp4", "127.0.0.1"}, {"tcp6", "::1"}} {
		l, err := listenOn(ctx, stack.network, net.JoinHostPort(stack.host, strconv.Itoa(port)))
		switch {
		case err == nil:
			all = append(all, l)
			port = l.Addr().(*net.TCPAddr).Port
		case noSuchAddress(err):
			missing = err
		default:
			closeAll(all)
			return nil, err
		}
	}
	if all == nil {
		return nil, missing
	}
	return all, nil
}

// noSuchAddress reports whether err says that this machine has no such loopback
// address: then nobody else can listen on it either.
func noSuchAddress(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return slices.Contains([]syscall.Errno{
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
		10049, 10047, 10043, // the same of Winsock
	}, errno)
}

func portProblem(port int, err error) string {
	if holder := portHolder(port); holder != "" {
		return fmt.Sprintf("%d is taken by %s", port, holder)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Sprintf("%d: %v", port, err)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
