package ui

import "os"

// isClosed: here a write to it fails.
func isClosed(f *os.File) bool {
	_, err := f.Stat()
	return err != nil
}
