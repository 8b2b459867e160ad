package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"codexauth"
	"codexauth/internal/rig/freeport"
)

// occupy listens on a loopback address.
func occupy(t *testing.T, network, host string) (port int) {
	t.Helper()
	l, err := net.Listen(network, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("cannot listen on %s: %v", host, err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func TestListenIsOnBothLoopbackAddressesOnly(t *testing.T) {
	listeners, port, err := listen(t.Context(), systemListen, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(listeners)
	for _, l := range listeners {
		a := l.Addr().(*net.TCPAddr)
		if !a.IP.IsLoopback() || a.Port != port || port == 0 {
			t.Errorf("listening on %v, port %d", a, port)
		}
	}
	if c, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		c.Close()
		if len(listeners) != 2 {
			t.Error("not listening on ::1, although there is one")
		}
	}
}

func TestListenTakesTheNextPort(t *testing.T) {
	for name, c := range map[string]struct{ network, host string }{
		"IPv4": {"tcp4", "127.0.0.1"}, "IPv6": {"tcp6", "::1"},
	} {
		t.Run(name, func(t *testing.T) {
			taken, free := occupy(t, c.network, c.host), freeport.One(t)
			listeners, port, err := listen(t.Context(), systemListen, []int{taken, free})
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(listeners)
			if port != free {
				t.Errorf("got port %d, want %d (%d is taken)", port, free, taken)
			}
		})
	}
}

func TestListenSaysWhoHoldsThePorts(t *testing.T) {
	v4, v6 := occupy(t, "tcp4", "127.0.0.1"), occupy(t, "tcp6", "::1")
	_, _, err := listen(t.Context(), systemListen, []int{v4, v6})
	if !errors.Is(err, ErrPortsTaken) {
		t.Fatalf("got %v", err)
	}
	mustContain(t, err.Error(), fmt.Sprint(v4), fmt.Sprint(v6), "device code")
	if runtime.GOOS == "linux" {
		mustContain(t, err.Error(), fmt.Sprintf("%d is taken by this process", v4), fmt.Sprintf("%d is taken by this process", v6))
	}
	if _, _, err := listen(t.Context(), systemListen, []int{v6}); err == nil {
		t.Error("a taken ::1 is not a taken port")
	}
}

// fakeListen fails on ::1 with err, times times.
func fakeListen(err error, times int) listenFunc { return fakeListenOn("tcp6", err, times) }

func fakeListenOn(stack string, err error, times int) listenFunc {
	return func(ctx context.Context, network, address string) (net.Listener, error) {
		if network == stack && times > 0 {
			times--
			return nil, &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("bind", err)}
		}
		return systemListen(ctx, network, address)
	}
}

func TestListenWithoutIPv6(t *testing.T) {
	for _, missing := range []error{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		listeners, _, err := listen(t.Context(), fakeListen(missing, 99), []int{0})
		if err != nil || len(listeners) != 1 {
			t.Fatalf("%v: got %d listeners, %v", missing, len(listeners), err)
		}
		closeAll(listeners)
	}
	if _, _, err := listen(t.Context(), fakeListen(syscall.EACCES, 99), []int{0}); !errors.Is(err, ErrPortsTaken) {
		t.Errorf("a ::1 that can't be had is left to others: %v", err)
	}
}

func TestListenWithoutIPv4(t *testing.T) {
	if c, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no ::1: %v", err)
	} else {
		c.Close()
	}
	listeners, _, err := listen(t.Context(), fakeListenOn("tcp4", syscall.EADDRNOTAVAIL, 99), []int{0})
	if err != nil || len(listeners) != 1 || !listeners[0].Addr().(*net.TCPAddr).IP.Equal(net.IPv6loopback) {
		t.Fatalf("got %v, %v", listeners, err)
	}
	closeAll(listeners)
	if _, _, err := listen(t.Context(), fakeListenOn("tcp4", syscall.EACCES, 99), []int{0}); !errors.Is(err, ErrPortsTaken) {
		t.Errorf("a 127.0.0.1 that can't be had is left to others: %v", err)
	}
	neither := func(context.Context, string, string) (net.Listener, error) {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if _, _, err := listen(t.Context(), neither, []int{0}); !errors.Is(err, ErrPortsTaken) {
		t.Errorf("no loopback at all: %v", err)
	}
}

func TestListenRetriesAKernelPort(t *testing.T) {
	listeners, _, err := listen(t.Context(), fakeListen(syscall.EADDRINUSE, kernelPortTries-1), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	closeAll(listeners)
	if _, _, err := listen(t.Context(), fakeListen(syscall.EADDRINUSE, 99), []int{0}); !errors.Is(err, ErrPortsTaken) {
		t.Errorf("got %v", err)
	}
}

func TestListenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := listen(ctx, systemListen, []int{0}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrPortsTaken) {
		t.Errorf("got %v", err)
	}
}

func TestRunReportsTakenPorts(t *testing.T) {
	taken := occupy(t, "tcp6", "::1")
	b := &Browser{Provider: codexauth.Provider{Issuer: issuer(t, http.NotFound)}, Ports: []int{taken}, Events: func(e Event) { t.Errorf("something was shown: %v", e) }}
	if err := b.Run(t.Context(), accept); !errors.Is(err, ErrPortsTaken) || !strings.Contains(err.Error(), fmt.Sprint(taken)) {
		t.Errorf("got %v", err)
	}
}

func TestCheckPorts(t *testing.T) {
	v4, v6, free := occupy(t, "tcp4", "127.0.0.1"), occupy(t, "tcp6", "::1"), freeport.One(t)
	ports := CheckPorts(t.Context(), []int{v4, v6, free})
	for i, taken := range []bool{true, true, false} {
		if err := ports[i].Err; (err != nil) != taken || taken && !errors.Is(err, ErrPortsTaken) {
			t.Errorf("port %d: %v", ports[i].Number, err)
		}
	}
	mustContain(t, ports[1].Err.Error(), fmt.Sprint(v6))
	if again := CheckPorts(t.Context(), []int{free}); again[0].Err != nil {
		t.Errorf("looking left the port taken: %v", again[0].Err)
	}
	if ports := CheckPorts(t.Context(), nil); len(ports) != 2 || ports[0].Number != 1455 || ports[1].Number != 1457 {
		t.Errorf("the registered ones are %+v", ports)
	}
}
