//go:build !linux

package login

// portHolder names the program that listens on a TCP port. This system does not
// tell without elevated rights or a helper program.
func portHolder(int) string { return "" }
