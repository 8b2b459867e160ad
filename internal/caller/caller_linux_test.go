package caller

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestWhoseConnectionItIs(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		l, err := net.Listen(network, map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network])
		if err != nil {
			continue // a machine without it
		}
		defer l.Close()
		client, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ask := func() (Who, string) {
			return at(netip.MustParseAddrPort(conn.RemoteAddr().String()), netip.MustParseAddrPort(conn.LocalAddr().String()))
		}
		if who, uid := ask(); who != Ours || uid != strconv.Itoa(os.Geteuid()) {
			t.Errorf("%s: %v, user %s", network, who, uid)
		}
		client.(*net.TCPConn).CloseWrite()
		if who, _ := ask(); who != Ours {
			t.Errorf("%s: half closed: %v", network, who)
		}
		client.Close()
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		if who, _ := ask(); who != Stranger {
			t.Errorf("%s: hung up: %v, though nobody's socket counts as root's", network, who)
		}
	}
}

// What the tables say, where it takes another system to see it.
func TestTables(t *testing.T) {
	here, there := netip.MustParseAddrPort("127.0.0.1:1455"), netip.MustParseAddrPort("127.0.0.1:50000")
	if got := tableAddr(netip.MustParseAddrPort("[::1]:1455"), false); !strings.HasSuffix(got, "000000:05AF") || len(got) != 37 {
		t.Errorf("%s", got)
	}
	for _, mapped := range []bool{false, true} {
		line := fmt.Sprintf("  0: %s %s 01 00000000:00000000 00:00000000 00000000  1000 0 111 1 0 100 0 0 10 0\n", tableAddr(there, mapped), tableAddr(here, mapped))
		if o, state, ok := findSocket("junk\n"+line, there, here); !ok || o.uid != "1000" || o.inode != "111" || state != tcpEstablished {
			t.Errorf("mapped %v: %+v %s %v", mapped, o, state, ok)
		}
		if _, _, ok := findSocket(line, here, there); ok {
			t.Error("the wrong end")
		}
	}
}
