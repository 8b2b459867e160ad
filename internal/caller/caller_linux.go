package caller

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

const tcpEstablished = "01" // include/net/tcp_states.h

// at asks the kernel whose socket the other end of a loopback connection
// is: both ends are in the tables of our network namespace (proc(5)).
//
// A browser in a container of its own (snap, flatpak) has its user's id there.
// What forwards a port for somebody else has its own: root's for Windows' browser
// under WSL, the user's for sshd. Where only our end is in the tables and the
// connection stands, the other one is beyond this system (WSL in mirrored mode).
// A caller that has hung up already has no owner any more, or root for one; no
// browser does that.
//
// The kernel writes its tables while connections come and go, so that one that
// is broken off meanwhile can look like anything: only what is seen twice counts.
func at(there, here netip.AddrPort) (Who, string) {
	who, uid := look(there, here)
	if again, same := look(there, here); again != who || same != uid {
		return Stranger, ""
	}
	return who, uid
}

func look(there, here netip.AddrPort) (Who, string) {
	tables := procTables("/proc/net/tcp", "/proc/net/tcp6")
	_, mine, ok := findSocket(tables, here, there)
	if !ok {
		if tables == "" || !strings.Contains(tables, fmt.Sprintf(":%04X ", here.Port())) {
			return Untold, "" // a system whose tables are empty, or hidden from us
		}
		return Stranger, ""
	}
	other, _, ok := findSocket(tables, there, here)
	switch {
	case !ok && mine == tcpEstablished:
		return Untold, ""
	case !ok, other.inode == "0":
		return Stranger, ""
	case other.uid == "0", slices.Contains(ownUsers(), other.uid):
		return Ours, other.uid
	}
	return Stranger, other.uid
}

func procTables(paths ...string) string {
	var all strings.Builder
	for _, path := range paths {
		text, _ := os.ReadFile(path) // the other one may do
		all.Write(text)
	}
	return all.String()
}

type socketOwnerID struct{ uid, inode string }

// findSocket finds the socket that is bound to local and connected to remote.
func findSocket(tables string, local, remote netip.AddrPort) (o socketOwnerID, state string, ok bool) {
	ends := [][2]string{{tableAddr(local, false), tableAddr(remote, false)}, {tableAddr(local, true), tableAddr(remote, true)}}
	for line := range strings.Lines(tables) {
		f := strings.Fields(line)
		if len(f) > 9 && (f[1] == ends[0][0] && f[2] == ends[0][1] || f[1] == ends[1][0] && f[2] == ends[1][1]) {
			return socketOwnerID{uid: f[7], inode: f[9]}, f[3], true
		}
	}
	return o, "", false
}

// tableAddr writes an address as the tables do: each 32 bits of it as a number of
// this machine's. An IPv6 socket may speak IPv4, and then stands there as mapped.
func tableAddr(a netip.AddrPort, mapped bool) string {
	bytes := a.Addr().Unmap().AsSlice()
	if mapped {
		long := a.Addr().As16()
		bytes = long[:]
	}
	var b strings.Builder
	for len(bytes) > 0 {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(bytes))
		bytes = bytes[4:]
	}
	return fmt.Sprintf("%s:%04X", b.String(), a.Port())
}

// ownUsers are this process's user and the one who became it, by sudo or after
// logging in (whose browser it is then).
func ownUsers() []string {
	users := []string{strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getuid())}
	if uid := os.Getenv("SUDO_UID"); uid != "" {
		users = append(users, uid)
	}
	if uid, err := os.ReadFile("/proc/self/loginuid"); err == nil {
		users = append(users, strings.TrimSpace(string(uid)))
	}
	return users
}
