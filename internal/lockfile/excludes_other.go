//go:build !linux

package lockfile

func excludes(_, path string) error { return excludesAt(path) }
