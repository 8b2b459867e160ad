//go:build unix

// Command measure runs a command and prints its greatest resident size in KiB. A
// program must not measure its own children: what a child inherits at the fork
// counts as the child's, so the measuring parent has to be small.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // not closed: a token that nobody would get is not printed
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p, err := os.StartProcess(os.Args[1], os.Args[1:], &os.ProcAttr{Files: []*os.File{nil, null, os.Stderr}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	state, err := p.Wait()
	if err != nil || !state.Success() {
		fmt.Fprintln(os.Stderr, state, err)
		os.Exit(1)
	}
	fmt.Println(state.SysUsage().(*syscall.Rusage).Maxrss)
}
