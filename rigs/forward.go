package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// forwardCommand makes this program one that passes connections on, for a machine
// on whose loopback address the authorization server is to be: no other plain
// HTTP address is taken for one.
const forwardCommand = "forward"

// forward passes what comes to an address on to another, until it is killed.
func forward(from, to string) int {
	listener, err := net.Listen("tcp", from)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rigs forward:", err)
		return 1
	}
	fmt.Println("listening")
	passOn(listener, to)
	return 0
}

// passOn serves a listener until it is closed.
func passOn(listener net.Listener, to string) {
	for {
		here, err := listener.Accept()
		if err != nil {
			return
		}
		go join(here, to)
	}
}

// join passes one connection on until either side ends.
func join(here net.Conn, to string) {
	defer here.Close()
	there, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer there.Close()
	go func() {
		io.Copy(there, here)
		there.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(here, there)
}
