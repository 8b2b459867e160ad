package codexcli

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"codexauth/internal/cleantext"
)

// holder says who holds the flock on path, as far as /proc/locks tells.
func holder(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return someone
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return someone
	}
	inode := ":" + strconv.FormatUint(stat.Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF; a waiter has "->".
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], inode) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return process(pid)
		}
	}
	return someone
}

func process(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, cleantext.Line(strings.TrimSpace(string(name))))
}
