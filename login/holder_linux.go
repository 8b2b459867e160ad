package login

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"codexauth/internal/cleantext"
)

const tcpListen = "0A" // include/net/tcp_states.h

// portHolder names the program that listens on a TCP port, as far as the system
// tells us; "" if it does not.
func portHolder(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		inode, uid, ok := findListener(string(text), port)
		if !ok {
			continue
		}
		if name := socketOwner(inode); name != "" {
			return name
		}
		return "a process of user id " + uid // whose descriptors are not ours to read
	}
	return ""
}

// findListener searches a table such as /proc/net/tcp (proc(5)) for a listener.
func findListener(table string, port int) (inode, uid string, ok bool) {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == tcpListen && strings.HasSuffix(f[1], suffix) {
			return f[9], f[7], true
		}
	}
	return "", "", false
}

// socketOwner names the process that has the socket open.
func socketOwner(inode string) string {
	want := "socket:[" + inode + "]"
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range descriptors {
		if target, err := os.Readlink(fd); err != nil || target != want {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		if pid == strconv.Itoa(os.Getpid()) {
			return "this process"
		}
		name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		return fmt.Sprintf("%s (process %s)", cleantext.Line(string(name)), pid)
	}
	return ""
}
