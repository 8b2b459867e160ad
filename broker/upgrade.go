package broker

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// upgradeIdle is how long an upgraded connection may be silent towards the
// backend. WebSockets have pings, and the backend ends them within the hour; a
// peer whose machine is gone is noticed earlier, by TCP's keep-alive.
const upgradeIdle = 2 * time.Hour

// Hijack is for http.ResponseController: the backend has agreed to an upgrade.
// From then on bytes are passed on as they are, both ways, until one side ends or
// the call does.
func (c *call) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := c.conn.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.status, c.firstByte = http.StatusSwitchingProtocols, time.Now()
	c.Header()[requestIDHeader] = c.id[:]
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // what is buffered can be had
	u := &upgraded{Conn: conn, call: c, early: early}
	return u, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(u, 1<<10)), nil
}

// upgraded is the client's side of an upgraded connection.
type upgraded struct {
	net.Conn
	call  *call
	early []byte // came before the upgrade was agreed to
	once  sync.Once
}

func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.early) > 0 {
		n := copy(p, u.early)
		u.early = u.early[n:]
		return n, nil
	}
	_ = u.Conn.SetReadDeadline(time.Now().Add(upgradeIdle))
	n, err := u.Conn.Read(p)
	u.call.received(n)
	return n, err
}

func (u *upgraded) Write(p []byte) (int, error) {
	_ = u.Conn.SetWriteDeadline(time.Now().Add(u.call.server.cfg.Patience))
	n, err := u.Conn.Write(p)
	u.call.sent(n)
	return n, err
}

// ReadFrom and WriteTo are for io.Copy, whose own buffers are eight times as big.
func (u *upgraded) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(writerOnly{u}, readerOnly{r}, make([]byte, copyBuffer))
}

// WriteTo is for io.Copy.
func (u *upgraded) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(writerOnly{w}, readerOnly{u}, make([]byte, copyBuffer))
}

type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)

// Close is for net.Conn.
func (u *upgraded) Close() error {
	u.once.Do(func() { u.call.server.conns.remove(u.Conn) })
	return u.Conn.Close()
}
