package ui

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A console shows names and paths as they are, whatever its code page: os.File writes
// to a console by WriteConsoleW, in UTF-16. A file or a pipe gets UTF-8.
func TestConsoleShowsEveryName(t *testing.T) {
	kernel := windows.NewLazySystemDLL("kernel32.dll")
	call := func(name string, args ...uintptr) uintptr {
		result, _, _ := kernel.NewProc(name).Call(args...)
		return result
	}
	read := kernel.NewProc("ReadConsoleOutputCharacterW")
	before := call("GetConsoleOutputCP")
	if before == 0 {
		if os.Getenv("CODEXAUTH_TEST_CONSOLE") != "" {
			t.Fatal("there is no console")
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		again := exec.Command(self, "-test.run=^TestConsoleShowsEveryName$")
		again.Env = append(os.Environ(), "CODEXAUTH_TEST_CONSOLE=1")
		again.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NO_WINDOW} // a console, unseen
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("in a console of its own: %v: %s", err, out)
		}
		return
	}
	defer call("SetConsoleOutputCP", before)
	const name = `C:\Jürgen Żółć\store für Ångström`
	for _, page := range []uintptr{437, 1252} {
		if call("SetConsoleOutputCP", page) == 0 {
			t.Fatalf("there is no code page %d", page)
		}
		const textMode = 1 // CONSOLE_TEXTMODE_BUFFER
		h := call("CreateConsoleScreenBuffer", windows.GENERIC_READ|windows.GENERIC_WRITE, 0, 0, textMode, 0)
		if windows.Handle(h) == windows.InvalidHandle {
			t.Fatal("there is no screen buffer")
		}
		screen := os.NewFile(h, "screen")
		defer screen.Close()
		term := &Terminal{Stdout: screen, Stderr: screen}
		term.Say("%s", name)
		if err := term.Print(name); err != nil {
			t.Fatal(err)
		}
		for line := range uintptr(2) {
			var shown [60]uint16
			var n uint32
			read.Call(h, uintptr(unsafe.Pointer(&shown[0])), uintptr(len(shown)), line<<16, uintptr(unsafe.Pointer(&n)))
			if got := strings.TrimRight(string(utf16.Decode(shown[:n])), " \x00"); got != name {
				t.Errorf("code page %d, line %d: %q, want %q", page, line, got, name)
			}
		}
	}
}
