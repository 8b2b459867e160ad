package private

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/windows"
)

// Remedy is a command that makes what is at path this user's alone; two, one after
// the other, where the owner is another. They are for either shell: cmd.exe knows no
// $env:USERNAME and PowerShell no %USERNAME%, so that accounts stand there by number.
func Remedy(path string, dir bool) string {
	sd, err := descriptor(path)
	if err != nil {
		sd = nil
	}
	return remedy(path, dir, sd)
}

func remedy(path string, dir bool, sd *windows.SECURITY_DESCRIPTOR) string {
	inherit := ""
	if dir {
		inherit = "(OI)(CI)"
	}
	command := fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r`, path)
	for _, sid := range []string{Me(), "S-1-5-18", "S-1-5-32-544"} {
		command += fmt.Sprintf(` "*%s:%sF"`, sid, inherit)
	}
	if sd == nil {
		return command
	}
	if others := strangersIn(sd); len(others) > 0 { // "/grant:r" leaves the entries of others
		command += ` /remove "*` + strings.Join(others, `" "*`) + `"`
	}
	if foreign(sd) {
		command = fmt.Sprintf(`icacls "%s" /setowner "*%s" as an administrator, and then %s`, path, Me(), command)
	}
	return command
}

// strangersIn are the accounts that a list lets in, other than the trusted ones.
func strangersIn(sd *windows.SECURITY_DESCRIPTOR) (sids []string) {
	list, _, err := sd.DACL()
	me, meErr := thisUser()
	if err != nil || meErr != nil || list == nil {
		return nil
	}
	entries, _ := strangers(list, me)
	for _, entry := range entries {
		if sid := sidOf(entry).String(); !slices.Contains(sids, sid) {
			sids = append(sids, sid)
		}
	}
	return sids
}
