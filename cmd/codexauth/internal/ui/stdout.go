package ui

import (
	"errors"

	"codexauth/internal/hint"
)

// A process may have no standard output. The Go runtime then opens the null device
// in its place, and that takes whatever it is given.

// NeedStdout is called first by a command whose answer is what it is run for.
func (t *Terminal) NeedStdout() error {
	if isClosed(t.Stdout) {
		return hint.With(errors.New("standard output is closed (or is a null device that is open for reading, too): nobody would get the answer"),
			"give it a file or a pipe to go to; nothing was done; the exit code of `codexauth status` alone tells the state of the login")
	}
	return nil
}

// NeedReader is needStdout for a command that gives something up which only its
// answer has: not even a null device that was meant will do.
func (t *Terminal) NeedReader() error {
	if err := t.NeedStdout(); err != nil || !isNull(t.Stdout) {
		return err
	}
	return hint.With(errors.New("standard output is the null device: output that can't be repeated would be lost"), "give it a file or a pipe to go to; nothing was done")
}
