package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// doctorIn runs doctor where the shell has prepared mounts of its own.
func (b *box) doctorIn(t *testing.T, prepare string) report {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
			t.Fatal("this test needs root and unshare(1)")
		}
		t.Skip("this test needs root and unshare(1) for mounts of its own")
	}
	cmd := b.command("doctor", "--json")
	cmd.Args = append([]string{unshare, "-m", "sh", "-c", prepare + ` && exec "$@"`, "sh"}, cmd.Args...)
	cmd.Args[6], cmd.Path = cmd.Path, unshare
	cmd.Env = append(cmd.Env, "DIR="+b.home)
	r := finish(cmd)
	var rep report
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		if strings.Contains(r.stderr, "ermission denied") || strings.Contains(r.stderr, "not permitted") {
			t.Skipf("mounting is not allowed here: %s", r.stderr)
		}
		t.Fatalf("exit %d: %q %q", r.code, r.stdout, r.stderr)
	}
	return rep
}

func TestDoctorOfDisks(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare, state string
		says           []string
	}{
		"full":      {`mount -t tmpfs -o size=16k,mode=700 none "$DIR" && ! dd if=/dev/zero of="$DIR/x" bs=1k 2>/dev/null`, isProblem, []string{"no space left", "free space"}},
		"read-only": {`mount -t tmpfs -o mode=700 none "$DIR" && mount -o remount,ro "$DIR"`, isProblem, []string{"read-only"}},
		"small":     {`mount -t tmpfs -o size=64k,mode=700 none "$DIR"`, isWarning, []string{"KiB are free"}},
		"good":      {`mount -t tmpfs -o mode=700 none "$DIR"`, isOK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep := newPatient(t).doctorIn(t, tt.prepare)
			rep.want(t, "store_writable", tt.state, tt.says...)
			rep.want(t, "store_file_system", isOK)
		})
	}
}

// A container without /proc can't tell who is dead.
func TestDoctorWithoutProc(t *testing.T) {
	rep := newPatient(t).doctorIn(t, "mount -t tmpfs none /proc")
	rep.want(t, "processes", isWarning, "mount /proc", "80 seconds")
	rep.want(t, "login", isOK)
}
