package process

import (
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// Machine is this installation's identity and boot time, and the host's name: a
// cloned machine has the same identity, and a container the same boot time. It is
// "" if they can't be told. Setting the clock changes the boot time, which costs
// patience and nothing else.
func Machine() string {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer key.Close()
	guid, _, err := key.GetStringValue("MachineGuid")
	host, err2 := os.Hostname()
	var times struct{ Boot, Now, Zone, Rest [8]byte } // of SYSTEM_TIMEOFDAY_INFORMATION
	err3 := windows.NtQuerySystemInformation(windows.SystemTimeOfDayInformation, unsafe.Pointer(&times), uint32(unsafe.Sizeof(times)), nil)
	if err != nil || err2 != nil || err3 != nil || guid == "" {
		return ""
	}
	boot := *(*int64)(unsafe.Pointer(&times.Boot))
	return guid + "/" + strconv.FormatInt(boot, 10) + " " + host
}

// Start identifies one life of a pid: when it began, in units of 100 ns. It is
// "gone" if no such process runs, and "" if that can't be told.
func Start(pid int) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return "gone"
	}
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	// Who still has a handle of a process that has ended keeps its pid alive.
	if event, err := windows.WaitForSingleObject(h, 0); err == nil && event == windows.WAIT_OBJECT_0 {
		return "gone"
	}
	var began, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &began, &ended, &kernel, &user); err != nil {
		return ""
	}
	return strconv.FormatInt(began.Nanoseconds()/100, 10)
}
