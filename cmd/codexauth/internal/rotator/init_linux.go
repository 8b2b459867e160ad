package rotator

import (
	"os"
	"strconv"
)

// initialNamespace is the pid namespace of the machine itself, whose number the
// kernel has fixed (PROC_PID_INIT_INO).
const initialNamespace = "pid:[4026531836]"

// endsWithUs reports whether a child is ended by our own end, so far as that can
// be known: we are the first process of a container, with which the kernel ends
// all others; the one that a small init was told to run, which ends when we do; or
// the main process of a systemd unit, which may end what is left of it.
func endsWithUs() bool {
	pid := os.Getpid()
	if pid == 1 || os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(pid) {
		return true
	}
	if os.Getppid() != 1 {
		return false
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && namespace != initialNamespace
}
