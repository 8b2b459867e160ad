package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The variable that makes this test binary a child that says what it sees of the
// process of that pid.
const lookVar = "PROCESS_TEST_LOOK"

// elsewhere runs this test binary in namespaces of its own, and returns what it says.
func elsewhere(t *testing.T, test string, namespaces uintptr) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), lookVar+"="+strconv.Itoa(os.Getpid()), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no namespace available here: %v", err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said, _, _ := strings.Cut(string(out), "\n")
	return said
}

// A pid means another process in another pid namespace: that is another machine.
func TestMachineOfAnotherPidNamespace(t *testing.T) {
	if os.Getenv(lookVar) != "" {
		fmt.Println(Machine())
		return
	}
	boot, _, _ := strings.Cut(Machine(), " ")
	theirs := elsewhere(t, "TestMachineOfAnotherPidNamespace", syscall.CLONE_NEWPID)
	if !strings.HasPrefix(theirs, boot+" ") || theirs == Machine() {
		t.Errorf("%q there, and %q here", theirs, Machine())
	}
}

// A process that /proc does not show runs all the same: it is another user's, or
// /proc is not mounted.
func TestHiddenProcessIsNotGone(t *testing.T) {
	if pid, err := strconv.Atoi(os.Getenv(lookVar)); err == nil {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		err = errors.Join(err, syscall.Mount("tmpfs", "/proc", "tmpfs", 0, "size=64k"))
		fmt.Printf("%q %q %v\n", Start(pid), Start(1<<22+1), err)
		return
	}
	said := elsewhere(t, "TestHiddenProcessIsNotGone", syscall.CLONE_NEWNS)
	if strings.Contains(said, syscall.EPERM.Error()) || strings.Contains(said, syscall.EACCES.Error()) {
		t.Skip("mounting is not allowed here")
	}
	if want := `"" "gone" <nil>`; said != want {
		t.Errorf("a hidden process and one that is not there: %s, want %s", said, want)
	}
}

// Who has ended and is not yet reaped sends nothing any more.
func TestZombieIsGone(t *testing.T) {
	cmd, in := lingerer(t)
	pid := cmd.Process.Pid
	started := Start(pid)
	in.Close()
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
	if !Gone(Machine(), pid, started) {
		t.Errorf("a process that has ended runs: %q", Start(pid))
	}
	cmd.Wait()
}
