package atomicfile

import (
	"cmp"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestInjectedFaults lets the kernel's answers be replaced on their way to a real
// writer.
func TestInjectedFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	tests := []struct {
		act, name, inject string
		want              error
		content           string
	}{
		{"", "none", "fsync:error=EIO:when=99", nil, newContent},
		{"", "sync fails", "fsync:error=EIO:when=1", syscall.EIO, "old"},
		{"", "directory sync fails", "fsync:error=EIO:when=2", syscall.EIO, newContent},
		{"", "directory cannot be synced", "fsync:error=EINVAL:when=2", nil, newContent},
		{"", "disk full", "write:error=ENOSPC:when=1", syscall.ENOSPC, "old"},
		{"", "bytes lost in silence", "write:retval=34:when=1", io.ErrShortWrite, "old"},
		{"", "rename fails", "?rename,renameat,renameat2:error=EIO", syscall.EIO, "old"},
		{"", "mode refused", "fchmod:error=EIO", syscall.EIO, "old"},
		{removing, "directory sync fails", "fsync:error=EIO:when=1", syscall.EIO, ""},
		{inARoom, "no room", "fallocate:error=ENOSPC", syscall.ENOSPC, "old"},
		{inARoom, "sync fails", "fsync:error=EIO:when=1", syscall.EIO, "old"},
		{inARoom, "directory sync fails", "fsync:error=EIO:when=2", syscall.EIO, newContent},
		{inARoom, "bytes lost in silence", "pwrite64:retval=34:when=1", io.ErrShortWrite, "old"},
	}
	for _, test := range tests {
		t.Run(cmp.Or(test.act, "writing")+": "+test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "record")
			mustWrite(t, path, "old")
			child := childUnder(t, cmp.Or(test.act, "none"), path)
			cmd := exec.CommandContext(t.Context(), strace,
				"-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-e", "inject="+test.inject, child.Path)
			cmd.Env = child.Env
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "ptrace") || strings.Contains(string(out), "PTRACE") {
				t.Skipf("strace may not trace here: %s", out)
			}
			if test.want == nil && err != nil {
				t.Errorf("got %v: %s", err, out)
			}
			if test.want != nil && (err == nil || !strings.Contains(string(out), "["+test.want.Error()+"]")) {
				t.Errorf("want %v, got %v: %s", test.want, err, out)
			}
			if test.content == "" {
				wantNames(t, dir)
				return
			}
			wantContent(t, path, test.content)
			wantNames(t, dir, "record")
		})
	}
}
