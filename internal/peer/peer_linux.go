// Package peer tells who is on the other end of a Unix socket.
package peer

import (
	"net"
	"syscall"
)

// Known reports whether this system tells.
const Known = true

// UID asks the kernel (SO_PEERCRED, unix(7)): of a client, which user connected; of
// a server, which one began to listen.
func UID(conn *net.UnixConn) (uid int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = credErr
	}
	if err != nil {
		return 0, true, err
	}
	return int(cred.Uid), true, nil
}
