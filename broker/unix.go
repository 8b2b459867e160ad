package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"codexauth/internal/lockfile"
	peers "codexauth/internal/peer"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
	"codexauth/internal/sysfail"
)

// maxSocketPath is what fits into sockaddr_un on every system.
const maxSocketPath = 103

// ErrInUse: another process serves this socket.
var ErrInUse = errors.New("another process serves it")

// ListenUnix listens on a Unix socket of this user's: in a directory of mode
// 0700, which is made if it is missing. The socket of a process that died is
// replaced; one that answers, or a file that is not a socket, is left alone. The
// listener removes its socket when it is closed. A lock file stays next to it.
//
// Peers are this user and those in allowed, such as the users of containers that
// the socket is mounted into; who else connects is hung up on. Only this user
// may lease tokens. Linux and macOS tell who a peer is. Elsewhere allowed must be
// empty, and the directory alone keeps others out: on Windows by its access list,
// which lets in this user, the system and administrators. Where a system has no
// such sockets (Windows before 10 1803), the error wraps errors.ErrUnsupported.
func ListenUnix(path string, allowed []int) (net.Listener, error) {
	l, err := listenUnix(path, allowed)
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w", path, err)
	}
	return l, nil
}

func listenUnix(path string, allowed []int) (net.Listener, error) {
	switch {
	case len(allowed) > 0 && !peers.Known:
		return nil, fmt.Errorf("%w on %s: it does not identify the user of a socket's peer, so no other user can be allowed", errors.ErrUnsupported, runtime.GOOS)
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
	l, own, err := bind(path, allowed)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	end := sync.OnceValue(func() error { return errors.Join(removeOwn(path, own), l.Close(), unlock()) })
	return &unixListener{UnixListener: l, allowed: allowed, me: os.Geteuid(), end: end}, nil
}

func bind(path string, allowed []int) (_ *net.UnixListener, own fs.FileInfo, err error) {
	if err := removeStale(path); err != nil {
		return nil, nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if sysfail.NoSuchSockets(err) {
		return nil, nil, fmt.Errorf("%w: this system has no Unix sockets: listen on 127.0.0.1 with a key", errors.ErrUnsupported)
	}
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // it goes by the path, at which somebody else's may be by then
	mode := fs.FileMode(0o600)
	if len(allowed) > 0 {
		mode = 0o666 // the peer's user decides, not the file's mode
	}
	err = os.Chmod(path, mode)
	if err == nil {
		own, err = os.Lstat(path)
	}
	if err == nil {
		os.SameFile(own, own) // on Windows its number is looked up when it is first asked for
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.Close(), sharing.Remove(path))
	}
	return l, own, nil
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
	case !sysfail.ConnRefused(err):
		return fmt.Errorf("%w, or does not answer: %w", ErrInUse, err)
	}
	return sharing.Remove(path)
}

// unixListener hands out connections of peers that are let in.
type unixListener struct {
	*net.UnixListener
	allowed []int
	me      int
	end     func() error // once
}

func (l *unixListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, known, err := peers.UID(conn)
		p, ok := judge(uid, known, l.me, l.allowed)
		if err == nil && ok {
			return &peerConn{conn, p}, nil
		}
		_ = conn.Close() // a stranger is told nothing
	}
}

// Close is for net.Listener.
func (l *unixListener) Close() error { return l.end() }

// removeOwn removes our socket before somebody else may make theirs. One that
// somebody else has made already, since ours was deleted under us with its lock
// file, is left alone. While we listen, no other file has our inode.
func removeOwn(path string, own fs.FileInfo) error {
	now, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(now, own):
		return nil
	case err != nil:
		return err
	}
	return sharing.Remove(path)
}
