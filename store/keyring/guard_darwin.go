package keyring

import (
	"context"
	"errors"
	"os/exec"
)

// ready has nothing to look at: the system's own security command always answers,
// though a person whom it asks may not.
func (o Options) ready(context.Context) error { return nil }

func kindOf(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return kindOfExit(exit.ExitCode())
	}
	if errors.Is(err, exec.ErrNotFound) {
		return ErrUnavailable
	}
	return nil
}
