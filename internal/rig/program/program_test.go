//go:build unix

package program

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func sh(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

func TestStart(t *testing.T) {
	r, err := Start(sh("echo out; echo errs >&2; exit 3"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	end := r.End()
	if end.Code != 3 || end.Out != "out\n" || end.Errs != "errs\n" || end.Hung || end.Lingering || r.Runs() {
		t.Errorf("%+v", end)
	}
	if err := end.Want(3, "errs"); err != nil {
		t.Error(err)
	}
	if end.Want(0) == nil || end.Want(3, "out") == nil {
		t.Error("Want takes anything")
	}
}

func TestStartKillsWhatHangs(t *testing.T) {
	r, err := Start(sh("exec sleep 1000"), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if end := r.End(); !end.Hung || end.Code != -1 {
		t.Errorf("%+v", end)
	}
}

func TestServe(t *testing.T) {
	var ready struct{ URL string }
	s, err := Serve(sh(`echo warning >&2; echo '{"url":"http://here"}'; exec sleep 1000`), &ready)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if ready.URL != "http://here" || s.Log.String() != "warning\n" {
		t.Errorf("%+v, %q", ready, &s.Log)
	}
}

// A server that does not start is told with what it said.
func TestServeThatFails(t *testing.T) {
	for _, script := range []string{"echo port taken >&2; exit 1", "echo port taken >&2; echo no JSON; exec sleep 1000"} {
		var ready struct{}
		if _, err := Serve(sh(script), &ready); err == nil || !strings.Contains(err.Error(), "port taken") {
			t.Errorf("%s: %v", script, err)
		}
	}
}
