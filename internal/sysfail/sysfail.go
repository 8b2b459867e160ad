// Package sysfail recognises failures of the system that have other numbers on
// Windows than the standard library's constants: those are inventions there, which
// no call returns.
package sysfail

import (
	"errors"
	"io"
	"io/fs"
)

func oneOf(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// DiskFull: there is no room, or the quota is used up.
func DiskFull(err error) bool { return oneOf(err, diskFull[:]...) }

// ReadOnly: the file system can't be written.
func ReadOnly(err error) bool { return oneOf(err, readOnly[:]...) }

// NotDirectory: a part of the path is no directory.
func NotDirectory(err error) bool { return oneOf(err, notDirectory[:]...) }

// NoLocks: the file system can't lock files.
func NoLocks(err error) bool { return oneOf(err, noLocks[:]...) }

// ConnRefused: nobody listens there.
func ConnRefused(err error) bool { return oneOf(err, connRefused[:]...) }

// HungUp: the other end closed the connection where it should have answered. It
// reads as the end of its words, or as a reset if it had not read all of ours.
func HungUp(err error) bool {
	return oneOf(err, io.EOF, io.ErrUnexpectedEOF) || oneOf(err, hungUp[:]...)
}

// NoSuchSockets reports that this system has no sockets of a kind.
func NoSuchSockets(err error) bool { return oneOf(err, noSockets[:]...) }

// Missing: there is no such file, and the place where it would be can be reached.
// Windows says "no such file" of a server that is down, too.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && !oneOf(err, unreachable[:]...)
}
