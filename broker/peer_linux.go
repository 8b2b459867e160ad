package broker

import (
	"net"
	"syscall"
)

const peersAreKnown = true

// peerUID asks the kernel who connected (SO_PEERCRED, unix(7)).
func peerUID(conn *net.UnixConn) (uid int, known bool, err error) {
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
