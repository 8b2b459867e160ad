package ui

import (
	"os"

	"golang.org/x/sys/windows"
)

// isClosed: here a write to it fails.
func isClosed(f *os.File) bool {
	_, err := f.Stat()
	return err != nil
}

// isNull reports whether f is the null device: of what is neither a file nor a pipe
// it is the only one that is no console. (To [os.SameFile] it is one with every
// pipe: none of them has a number.)
func isNull(f *os.File) bool {
	h := windows.Handle(f.Fd())
	kind, err := windows.GetFileType(h)
	var mode uint32
	return err == nil && kind == windows.FILE_TYPE_CHAR && windows.GetConsoleMode(h, &mode) != nil
}
