//go:build unix

package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	peers "codexauth/internal/peer"
	"codexauth/internal/private"
)

// ErrInherited: a socket that this process was given can't be served.
var ErrInherited = errors.New("unusable inherited socket")

// Inherit serves a listening socket that this process was given, as systemd does
// for socket activation. The rules are those of [ListenTCP] and [ListenUnix]: TCP
// beyond this machine takes TLS; of a Unix socket the path must be in a directory
// in which only this user or root can replace it, only this user and those in
// allowed are let in, and without any of them its mode must keep others out. The
// socket stays its owner's: closing the listener does not remove it. Inherit
// closes f.
func Inherit(f *os.File, config *tls.Config, allowed []int) (net.Listener, error) {
	defer f.Close()
	l, err := inherit(f, config, allowed)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrInherited, f.Name(), err)
	}
	return l, nil
}

func inherit(f *os.File, config *tls.Config, allowed []int) (net.Listener, error) {
	if on, err := syscall.GetsockoptInt(int(f.Fd()), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || on == 0 {
		return nil, errors.New("it is not a listening socket (a unit with Accept=yes hands out connections)")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	switch l := l.(type) {
	case *net.TCPListener:
		if config == nil && !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			return nil, errors.Join(fmt.Errorf("%s: %w: use 127.0.0.1 or [::1]", l.Addr(), ErrExposed), l.Close())
		}
		return secured(l, config), nil
	case *net.UnixListener:
		if err := checkInherited(l.Addr().String(), allowed); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.SetUnlinkOnClose(false)
		return &unixListener{UnixListener: l, allowed: allowed, me: os.Geteuid(), end: l.Close}, nil
	}
	return nil, errors.Join(errors.New("it is neither a TCP nor a Unix socket"), l.Close())
}

// checkInherited wants a socket where nobody but this user and root can put
// another in its place, and which others can't connect to for nothing.
func checkInherited(path string, allowed []int) error {
	if !filepath.IsAbs(path) {
		return errors.New("it has no path in the file system, which would keep others from taking its name")
	}
	dir, err := os.Lstat(filepath.Dir(path))
	if err != nil {
		return err
	}
	socket, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner, me, _ := private.Owners(dir)
	switch {
	case socket.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not the socket", path)
	case !dir.IsDir() || owner != me && owner != 0:
		return fmt.Errorf("%s belongs to user %d, and this is user %d", filepath.Dir(path), owner, me)
	case dir.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write in %s (mode %04o): they could put a socket of their own there", filepath.Dir(path), dir.Mode().Perm())
	case len(allowed) == 0 && socket.Mode().Perm()&0o022 != 0: // connecting takes the right to write (unix(7))
		return fmt.Errorf("%s is open to other users (mode %04o): set SocketMode=0600, or allow their user ids", path, socket.Mode().Perm())
	case !peers.Known:
		return private.CheckDir(filepath.Dir(path))
	}
	return nil
}
