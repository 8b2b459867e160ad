package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"codexauth/internal/lockfile"
	"codexauth/internal/private"
)

// maxSocketPath is what fits into sockaddr_un on every system.
const maxSocketPath = 103

// ErrInUse: another process serves this socket.
var ErrInUse = errors.New("another process serves it")

// ListenUnix listens on a Unix socket of this user's: in a directory of mode
// 0700, which is made if it is missing. The socket of a process that died is
// replaced; one that answers, or a file that is no socket, is left alone. The
// listener removes its socket when it is closed. A lock file stays beside it.
//
// Peers are this user and those in allowed, such as the users of containers that
// the socket is mounted into; who else connects is hung up on. Only this user
// may lease tokens. Linux tells who a peer is. Elsewhere allowed must be empty,
// and the directory alone keeps others out; on Windows, where modes say nothing,
// the error wraps errors.ErrUnsupported.
func ListenUnix(path string, allowed []int) (net.Listener, error) {
	l, err := listenUnix(path, allowed)
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w", path, err)
	}
	return l, nil
}

func listenUnix(path string, allowed []int) (net.Listener, error) {
	switch {
	case runtime.GOOS == "windows":
		return nil, fmt.Errorf("%w on Windows: listen on 127.0.0.1 with a key", errors.ErrUnsupported)
	case len(allowed) > 0 && !peersAreKnown:
		return nil, fmt.Errorf("%w on %s: it does not tell who a peer is, so no other user can be allowed", errors.ErrUnsupported, runtime.GOOS)
	case len(path) > maxSocketPath:
		return nil, fmt.Errorf("its path is longer than %d bytes; choose a shorter one", maxSocketPath)
	}
	// Nobody else gets into the directory, so what happens in it before the
	// socket has its mode is seen by nobody, whatever the umask.
	if err := private.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	unlock, err := lockfile.TryLock(path + ".lock")
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		return nil, fmt.Errorf("%w (%s)", ErrInUse, busy.Holder)
	}
	if err != nil {
		return nil, err
	}
	l, err := bind(path, allowed)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return &unixListener{l, allowed, os.Geteuid(), unlock}, nil
}

func bind(path string, allowed []int) (*net.UnixListener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o600)
	if len(allowed) > 0 {
		mode = 0o666 // the peer's user decides, not the file's mode
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket on which nobody listens. The caller holds the
// lock, so that nobody begins to meanwhile.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is something that is not a socket; move it away or name another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return errors.Join(ErrInUse, conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w, or can't say that it does not: %w", ErrInUse, err)
	}
	return os.Remove(path)
}

// unixListener hands out connections of peers that are let in.
type unixListener struct {
	*net.UnixListener
	allowed []int
	me      int
	unlock  func() error
}

func (l *unixListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, known, err := peerUID(conn)
		p, ok := judge(uid, known, l.me, l.allowed)
		if err == nil && ok {
			return &peerConn{conn, p}, nil
		}
		_ = conn.Close() // a stranger is told nothing
	}
}

// Close removes the socket before somebody else may make theirs.
func (l *unixListener) Close() error { return errors.Join(l.UnixListener.Close(), l.unlock()) }
