package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Machine is this boot and this pid namespace; "" if they can't be told.
func Machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	ns, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + ns
}

// Start identifies one life of a pid: its start time in ticks since
// boot. It is "gone" if no such process runs (a zombie doesn't), and "" if that
// can't be told.
func Start(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if os.IsNotExist(err) {
		// Another user's process can be hidden (hidepid), or /proc not mounted.
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			return "gone"
		}
		return ""
	}
	// The command's name, in parentheses, may itself hold spaces and parentheses.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if err != nil || len(fields) < 20 {
		return ""
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return "gone"
	}
	return string(fields[19])
}
