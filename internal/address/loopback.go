package address

import (
	"net/netip"
	"strings"
)

// Loopback reports whether a host, as an address, a URL or a Host header names it, is
// this machine whatever its resolver says. An IPv6 address may stand in brackets.
func Loopback(host string) bool {
	inside := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	bare := inside == host
	ip, err := netip.ParseAddr(inside)
	if err != nil {
		return bare && strings.EqualFold(host, "localhost")
	}
	return (bare || ip.Is6() && host == "["+inside+"]") && ip.IsLoopback() && ip.Zone() == ""
}
