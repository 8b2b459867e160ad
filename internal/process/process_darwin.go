package process

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Machine is this boot, which the kernel names again each time; "" if it can't be
// told. There are no pid namespaces.
func Machine() string {
	boot, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return boot
}

// zombie is SZOMB of sys/proc.h.
const zombie = 5

// Start identifies one life of a pid: when it began, in microseconds. It is "gone"
// if no such process runs (a zombie doesn't), and "" if that can't be told.
func Start(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		// The kernel answers nothing at all for a pid that nobody has.
		if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			return "gone"
		}
		return ""
	}
	if info.Proc.P_stat == zombie {
		return "gone"
	}
	began := info.Proc.P_starttime
	return strconv.FormatInt(began.Sec*1e6+int64(began.Usec), 10)
}
