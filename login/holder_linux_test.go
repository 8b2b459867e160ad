package login

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:05AF 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0
   1: 0100007F:05AF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 222 1 0 100 0 0 10 0
   2: 00000000:105A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`

func TestFindListener(t *testing.T) {
	if inode, uid, ok := findListener(tcpTable, 1455); !ok || inode != "222" || uid != "1001" {
		t.Errorf("got %q, %q, %v", inode, uid, ok)
	}
	if _, _, ok := findListener(tcpTable, 1457); ok {
		t.Error("a port without a listener was found")
	}
	if _, _, ok := findListener("\n x\n", 1455); ok {
		t.Error("found in nonsense")
	}
}

// The test binary runs itself as the program that holds a port.
func TestPortHolderNamesAnotherProcess(t *testing.T) {
	if os.Getenv("LOGIN_TEST_HOLD") != "" {
		fmt.Println("holding")
		fmt.Scanln() // until our parent closes the pipe
		return
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPortHolderNamesAnotherProcess$")
	cmd.Env = append(os.Environ(), "LOGIN_TEST_HOLD=1")
	cmd.ExtraFiles = []*os.File{socket}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); cmd.Wait() }()
	var word string
	if fmt.Fscan(out, &word); word != "holding" {
		t.Fatalf("the other process says %q", word)
	}
	l.Close()
	socket.Close()
	name := filepath.Base(os.Args[0])
	want := fmt.Sprintf("%s (process %d)", name[:min(len(name), 15)], cmd.Process.Pid) // comm has 15 bytes
	if got := portHolder(l.Addr().(*net.TCPAddr).Port); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
