// Package standstill has other processes stand still, for tests.
package standstill

import (
	"errors"
	"os"
)

// Can: this system has a way to make a process stand still.
const Can = false

// Stop returns an error.
func Stop(*os.Process) error { return errors.ErrUnsupported }

// Continue returns an error.
func Continue(*os.Process) error { return errors.ErrUnsupported }
