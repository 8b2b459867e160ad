package client

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"codexauth/internal/peer"
	"codexauth/internal/private"
	"codexauth/internal/sysfail"
)

// StrangerError: the socket of an address is served by a user who is neither this
// one nor root, nor the one that the address names. Nothing was sent. It matches
// [ErrNotBroker].
type StrangerError struct {
	Socket string
	UID    int // who serves it
}

func (e *StrangerError) Error() string {
	return fmt.Sprintf("%v: the socket %s is served by another user (id %d), who could give you another account; if you trust that user, write broker+unix:%s?uid=%d",
		ErrNotBroker, e.Socket, e.UID, e.Socket, e.UID)
}

// Unwrap returns ErrNotBroker.
func (e *StrangerError) Unwrap() error { return ErrNotBroker }

// dialSocket connects to the broker's socket and looks whose it is: in a directory
// that others can write to, anybody may have put theirs there.
func (a address) dialSocket(ctx context.Context, d *net.Dialer) (net.Conn, error) {
	if runtime.GOOS == "windows" { // which tells nothing of a peer: its directory must do
		if err := private.CheckDir(filepath.Dir(a.socket)); err != nil && !sysfail.Missing(err) {
			return nil, fmt.Errorf("%w: anyone could have put the socket there: %w", ErrNotBroker, err)
		}
	}
	conn, err := d.DialContext(ctx, "unix", a.socket)
	if err != nil {
		return nil, err
	}
	uid, known, err := peer.UID(conn.(*net.UnixConn))
	if !known { // then the file must do
		uid, known = peer.Owner(a.socket)
	}
	if err == nil && known && !a.trusts(uid) {
		err = &StrangerError{a.socket, uid}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (a address) trusts(uid int) bool {
	return uid == os.Geteuid() || uid == 0 || a.uid != nil && uid == *a.uid
}
