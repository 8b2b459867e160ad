package freeport

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	const n = 50
	seen := map[int]bool{}
	for range n {
		port := One(t)
		if port < 1024 || port >= 32768 || seen[port] {
			t.Errorf("got %d after %v", port, seen)
		}
		seen[port] = true
		l, err := net.Listen("tcp4", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	// What is taken is not given, once the numbers come round again.
	asked.Add(uint32(count() - n))
	for range n {
		if port := One(t); seen[port] {
			t.Errorf("%d is taken", port)
		}
	}
}

// A port at which nobody listens yet is not given to another process, whatever number
// that one comes by.
func TestPortOfAnotherProcess(t *testing.T) {
	if os.Getenv("FREEPORT_TEST_CHILD") != "" {
		fmt.Println("port", One(t))
		os.Stdin.Read(make([]byte, 1))
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestPortOfAnotherProcess$")
	child.Env = append(os.Environ(), "FREEPORT_TEST_CHILD=1")
	hold, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(strings.TrimPrefix(line, "port "), &port)
	}
	if err != nil {
		t.Errorf("the other process says %q: %v", line, err)
	}
	if reserve(port) {
		t.Errorf("%d is another process's", port)
	}
	hold.Close()
	child.Wait()
	if !reserve(port) {
		t.Errorf("%d is nobody's any more", port)
	}
}
