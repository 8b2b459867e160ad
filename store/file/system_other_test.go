//go:build unix && !linux

package file

func addSystemParts(map[string]func(dir string) error) {}
