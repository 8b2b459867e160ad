package resident

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// burials is how often the dead are looked for. Whoever waits for a process of
// ours has buried it long before.
const burials = 2 * time.Second

// AdoptOrphans does for a command that stays what the first process of a container
// has to: what other processes have left behind is its child then, and stays in the
// list of processes after its end until somebody asks for its exit code. Elsewhere
// it does nothing.
func AdoptOrphans() (stop func()) {
	if os.Getpid() != 1 {
		return func() {}
	}
	tick, end := time.NewTicker(burials), make(chan struct{})
	go func() {
		dead := map[int]bool{}
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				dead = bury(dead)
			}
		}
	}()
	return func() {
		tick.Stop()
		close(end)
	}
}

// bury takes those children off the list that were dead when it was last looked at,
// and returns those that have died since: some of these may be waited for.
func bury(before map[int]bool) (since map[int]bool) {
	since = map[int]bool{}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			switch {
			case err != nil || !isZombie(pid):
			case before[pid]:
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			default:
				since[pid] = true
			}
		}
	}
	return since
}

func isZombie(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return bytes.HasPrefix(state, []byte("Z"))
}
