//go:build unix

package statedir

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// kept refuses a dir that would be made below what belongs to the user who became
// root by sudo, pkexec or doas. Root with somebody else's HOME is fine otherwise:
// containers are run like that.
func kept(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	caller := ""
	for _, variable := range []string{"SUDO_UID", "PKEXEC_UID"} {
		if caller == "" {
			caller = os.Getenv(variable)
		}
	}
	uid, err := strconv.Atoi(caller)
	if err != nil || uid == 0 {
		return nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil && at != filepath.Dir(at) {
			continue
		}
		if err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == uid {
				return &Kept{dir}
			}
		}
		return nil
	}
}
