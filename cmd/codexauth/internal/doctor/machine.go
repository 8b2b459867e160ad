package doctor

import (
	"context"
	"errors"
	"os"
	"runtime"

	"codexauth/cmd/codexauth/internal/program"
	"codexauth/internal/cleantext"
	"codexauth/internal/disk"
	"codexauth/internal/hint"
	"codexauth/internal/process"
)

// modesTell: the mode of a file says who may use it.
const modesTell = runtime.GOOS != "windows"

func (d *Examination) machineChecks() []check {
	return []check{
		{"program", d.checkProgram},
		{"processes", d.checkProcesses},
		{"temporary", d.checkTemporary},
	}
}

// checkProgram looks whether others could put another program in this one's
// place: it would get every token.
func (d *Examination) checkProgram(context.Context) finding {
	path, err := program.Installed()
	if err == nil {
		return okay("%s, which only this user and the administrator can replace", path)
	}
	self, selfErr := os.Executable()
	var hinted *hint.Error
	remedy := ""
	if errors.As(err, &hinted) {
		remedy = hinted.Hint
	}
	if selfErr == nil && program.Temporary(self) {
		return warning(remedy, "%s is in a temporary place", self)
	}
	return problem(remedy, "%v", err)
}

// checkProcesses looks whether a process that died can be told from one that is
// only slow.
func (d *Examination) checkProcesses(context.Context) finding {
	if _, err := os.Hostname(); err != nil {
		return warning("give this machine a host name: notes of a refresh could not say whose they are", "its host name is not known: %v", err)
	}
	switch {
	case runtime.GOOS == "windows" && d.dir() == "" && d.Place.Broker == nil:
		return okay("in a store that machines share, a refresh whose process has died is waited out, up to 80 seconds")
	case process.CanTellDead():
		return okay("a refresh whose process has died is taken over at once")
	case runtime.GOOS == "linux":
		return warning("mount /proc in this container: until then a refresh that died is waited out for up to 80 seconds", "/proc does not show this boot and its processes")
	}
	return okay("on this system a refresh whose process has died is waited out, up to 80 seconds")
}

func (d *Examination) checkTemporary(context.Context) finding {
	dir := os.TempDir()
	const remedy = "let TMPDIR (on Windows TMP) name a directory that this user can write"
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return warning(remedy, "%v", err)
	case !info.IsDir():
		return warning(remedy, "%s is not a directory", dir)
	case modesTell && info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0:
		return warning("chmod +t "+cleantext.ShellWord(dir), "every user can remove what others have put into %s", dir)
	}
	if err := disk.Writable(dir); err != nil && !errors.Is(err, disk.ErrUnknown) {
		return warning(remedy, "%s can't be written: %v", dir, err)
	}
	return okay("%s", dir)
}
