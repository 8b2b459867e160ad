package freeport

import (
	"fmt"
	"net"
	"testing"
)

func TestTake(t *testing.T) {
	const n = 50
	ports, err := Take(n)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if port < 1024 || port >= 32768 || seen[port] {
			t.Errorf("got the ports %v", ports)
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
	again, err := Take(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range again {
		if seen[port] {
			t.Errorf("%d is taken", port)
		}
	}
}
