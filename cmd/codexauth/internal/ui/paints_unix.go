//go:build unix

package ui

import "os"

// paints reports whether the terminal f understands escape sequences.
func paints(*os.File) bool { return true }
