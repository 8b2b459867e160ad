//go:build !linux && !darwin && !windows

package disk

func writable(string) error { return ErrUnknown }

func network(string) (string, error) { return "", ErrUnknown }

func free(string) (uint64, bool) { return 0, false }
