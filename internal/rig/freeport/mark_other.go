//go:build !windows

package freeport

import (
	"net"
	"strconv"
)

// mark takes a port's number by a UDP socket, which nothing else here has.
func mark(port int) (net.PacketConn, error) {
	return net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
