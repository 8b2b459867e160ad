package storetest

import (
	"errors"
	"os"
)

const canStop = false

func stopProcess(*os.Process) error { return errors.ErrUnsupported }
func wakeProcess(*os.Process) error { return errors.ErrUnsupported }
