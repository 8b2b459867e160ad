package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"codexauth/sandbox"
)

// controlC is the exit code of a program that an event of its console has ended
// (STATUS_CONTROL_C_EXIT).
const controlC = 0xC000013A

// Ctrl-C at a console reaches the command, and exec waits for what that does with it.
// The code is the command's, whether it ends by itself or leaves that to the system.
func TestExecAtAConsole(t *testing.T) {
	if os.Getenv("CODEXAUTH_TEST_CONSOLE") == "" { // the tests may have none, or one that others use
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		again := exec.CommandContext(t.Context(), self, "-test.run=^TestExecAtAConsole$")
		again.Env = append(os.Environ(), "CODEXAUTH_TEST_CONSOLE=1")
		again.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NO_WINDOW}
		out, err := os.Create(filepath.Join(t.TempDir(), "out")) // no pipe, which others would hold open
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		again.Stdout, again.Stderr = out, out
		if err := again.Run(); err != nil {
			t.Errorf("in a console of its own: %v: %s", err, contentOf(t, out.Name()))
		}
		return
	}
	hears := windows.NewLazySystemDLL("kernel32.dll").NewProc("SetConsoleCtrlHandler")
	if ok, _, err := hears.Call(0, 0); ok == 0 { // whoever started the tests may have had them hear nothing
		t.Fatal(err)
	}
	signal.Notify(make(chan os.Signal, 16), os.Interrupt) // it comes to all at this console
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	ended := controlC
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		ended = 0 // so Wine ends a program, other than Windows
	}
	for role, want := range map[string]int{"wait": 9, "stand": ended} {
		cmd := b.agent(t, role)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() }) // an error: it has ended
		said := bufio.NewReader(out)
		line, err := said.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "ready ") {
			t.Fatalf("%s: it said %q, %v", role, line, err)
		}
		if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_C_EVENT, 0); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(said)
		err = cmd.Wait()
		if cmd.ProcessState.ExitCode() != want {
			t.Errorf("%s: %v, want exit %#x; it said %q", role, err, want, rest)
		}
		if got := strings.Count(string(rest), "got interrupt"); role == "wait" && got != 1 {
			t.Errorf("the command was told %d times: %q", got, rest)
		}
		nobodyAt(t, strings.Fields(line)[1])
	}
}
