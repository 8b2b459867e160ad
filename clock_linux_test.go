package codexauth_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"codexauth"
)

// The clock of the fence runs on while the machine sleeps. A time namespace moves
// that clock alone, as a sleep does, and not the one that stops.
func TestFenceClockRunsDuringASleep(t *testing.T) {
	const variable = "CODEXAUTH_TEST_BOOT_CLOCK"
	if os.Getenv(variable) != "" {
		fmt.Println("since boot:", codexauth.SinceBoot())
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("unshare(1) is not installed")
	}
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(unshare, "--time", "--boottime", "8640000", exe, "-test.run=^TestFenceClockRunsDuringASleep$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unshare") && os.Getenv("CODEXAUTH_E2E_REQUIRED") != "1" {
		t.Skipf("no time namespace available here: %s", out)
	}
	must(t, err)
	_, text, _ := strings.Cut(string(out), "since boot: ")
	text, _, _ = strings.Cut(text, "\n")
	if clock, err := time.ParseDuration(text); err != nil || clock < 100*24*time.Hour {
		t.Errorf("%s, %v, after a hundred days", out, err)
	}
}
