package serving

import (
	"net"
	"testing"
)

// What clients beyond this machine are told is a name that they reach.
func TestServeShowsItsName(t *testing.T) {
	everywhere, here := &net.TCPAddr{IP: net.IPv6unspecified, Port: 8461}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8461}
	for _, tt := range []struct {
		hosts []string
		at    net.Addr
		want  string
	}{
		{[]string{"broker.example", "other.example"}, everywhere, "broker.example:8461"},
		{[]string{"[2001:db8::1]"}, everywhere, "[2001:db8::1]:8461"},
		{[]string{"broker.example"}, here, "127.0.0.1:8461"},
		{nil, everywhere, "[::]:8461"},
	} {
		if got := (serveOptions{hosts: tt.hosts}).shownAddr(tt.at); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.hosts, got, tt.want)
		}
	}
}
