package ui

import (
	"os"

	"golang.org/x/sys/windows"
)

// paints has a console interpret escape sequences, which it does not do by itself,
// and reports whether it does.
func paints(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	return windows.GetConsoleMode(h, &mode) == nil &&
		windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
