package main

import (
	"os"
	"syscall"
)

// passedOn are caught so that they don't end us before the command: the console
// sends Ctrl-C to both.
func passedOn() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// passOn has nothing to do: Windows has no other signals, and the console has
// sent this one.
func passOn(*os.Process, os.Signal) {}

func exitCode(state *os.ProcessState) int { return state.ExitCode() }

func signalNumber(s os.Signal) int {
	number, _ := s.(syscall.Signal)
	return int(number)
}
