package standstill

import (
	"os/exec"
	"testing"
)

func TestStop(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if !moves(cmd.Process.Pid) {
		t.Fatal("it stands still before it was stopped")
	}
	for range 20 {
		if err := Stop(cmd.Process); err != nil {
			t.Fatal(err)
		}
		if moves(cmd.Process.Pid) {
			t.Fatal("it moves when Stop has returned")
		}
		if err := Continue(cmd.Process); err != nil {
			t.Fatal(err)
		}
	}
}
