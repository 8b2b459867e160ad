// Package peer tells who is on the other end of a Unix socket.
package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

// Known reports whether this system tells.
const Known = true

// UID asks the kernel (LOCAL_PEERCRED, unix(4)): of a client, which user connected;
// of a server, which one began to listen.
func UID(conn *net.UnixConn) (uid int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	var cred *unix.Xucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		const local = 0 // SOL_LOCAL
		cred, credErr = unix.GetsockoptXucred(int(fd), local, unix.LOCAL_PEERCRED)
	})
	if err == nil {
		err = credErr
	}
	if err != nil {
		return 0, true, err
	}
	return int(cred.Uid), true, nil
}
