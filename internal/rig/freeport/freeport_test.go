package freeport

import (
	"fmt"
	"net"
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
	asked.Add(count - n)
	for range n {
		if port := One(t); seen[port] {
			t.Errorf("%d is taken", port)
		}
	}
}
