package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// How a whole program, unmodified, is given wrong clocks: by an overlay for
// `go build` of the standard library (libraries that replace the C library's
// clock do nothing to a Go program).
const (
	// ShiftVariable moves the wall clock of a shifted program, in seconds.
	ShiftVariable = "CODEXAUTH_RIG_SHIFT"
	// ClockVariable names a file of two 64-bit numbers of seconds that a shifted
	// program looks at whenever it reads a clock. The first moves the wall clock
	// alone, as somebody who sets it does. The second moves the wall clock and
	// CLOCK_BOOTTIME, while the monotonic clock and all timers stand: a suspend.
	ClockVariable = "CODEXAUTH_RIG_CLOCK"
)

// shiftCode is added to package syscall, which package time may import.
const shiftCode = `
var (
	rigShift = readRigShift()
	rigWords = new([2]int64)
)

func init() { mapRigWords() } // not above: reading the file takes a system call, which reads this

func readRigShift() (n int64) {
	s, _ := Getenv("` + ShiftVariable + `")
	sign := int64(1)
	for i := range len(s) {
		if s[i] == '-' {
			sign = -1
		} else {
			n = n*10 + int64(s[i]-'0')
		}
	}
	return sign * n
}

func mapRigWords() {
	path, ok := Getenv("` + ClockVariable + `")
	if !ok {
		return
	}
	fd, err := Open(path, O_RDONLY|O_CLOEXEC, 0)
	if err != nil {
		panic("the clock's file: " + err.Error())
	}
	at, err := mmap(0, 16, PROT_READ, MAP_SHARED, fd, 0)
	if err != nil {
		panic("the clock's file: " + err.Error())
	}
	Close(fd)
	rigWords = (*[2]int64)(unsafe.Pointer(at))
}

// RigWall is how far the wall clock is moved, in seconds.
func RigWall() int64 { return rigShift + rigWords[0] + rigWords[1] }
`

// A change replaces a text that occurs once in a file of the standard library.
type change struct{ file, old, new string }

// shiftChanges are the readings of clocks: the wall clock by time.Now and by
// gettimeofday, and CLOCK_BOOTTIME (7) by clock_gettime.
func shiftChanges() []change {
	const wall, boot = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "\tr1, r2, err = RawSyscall6(trap, a1, a2, a3, 0, 0, 0)\n\truntime_exitsyscall()\n"
	changes := []change{
		{"time/time.go", wall, wall + "\tsec += syscall.RigWall()\n"},
		{"time/time.go", "import (\n", "import (\n\t\"syscall\"\n"},
		{"syscall/syscall_linux.go", boot, boot + "\tif trap == SYS_CLOCK_GETTIME && a1 == 7 && err == 0 {\n\t\t(*Timespec)(unsafe.Pointer(a2)).Sec += rigWords[1]\n\t}\n"},
	}
	if runtime.GOARCH == "amd64" {
		const call = "func Gettimeofday(tv *Timeval) (err error) {\n\terrno := gettimeofday(tv)\n"
		changes = append(changes, change{"syscall/syscall_linux_amd64.go", call, call + "\ttv.Sec += RigWall()\n"})
	}
	return changes
}

// shiftOverlay writes the overlay.
func (r *Run) shiftOverlay() (path string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	src := filepath.Join(strings.TrimSpace(string(root)), "src")
	texts, replace := map[string]string{}, map[string]string{}
	for _, c := range shiftChanges() {
		text, ok := texts[c.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(src, c.file))
			if err != nil {
				return "", err
			}
			text = strings.ReplaceAll(string(data), "\r\n", "\n")
		}
		if !strings.Contains(text, c.old) {
			return "", fmt.Errorf("this Go's %s does not read as expected; the rig \"clock\" has to be taught", c.file)
		}
		texts[c.file] = strings.Replace(text, c.old, c.new, 1)
	}
	texts["syscall/syscall_linux.go"] += shiftCode
	var errs []error
	for file, text := range texts {
		changed := filepath.Join(r.dir, filepath.Base(file))
		replace[filepath.Join(src, file)] = changed
		errs = append(errs, os.WriteFile(changed, []byte(text), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	path = filepath.Join(r.dir, "overlay.json")
	return path, errors.Join(append(errs, err, os.WriteFile(path, overlay, 0o600))...)
}
