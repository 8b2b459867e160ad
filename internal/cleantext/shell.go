package cleantext

import (
	"runtime"
	"strings"
)

// ShellWord quotes s for a shell if it has to be: on Windows for cmd and PowerShell,
// elsewhere for a POSIX shell.
func ShellWord(s string) string { return wordFor(runtime.GOOS, s) }

func wordFor(system, s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+="
	switch {
	case s != "" && strings.Trim(s, plain) == "", system == "windows" && s != "" && strings.Trim(s, plain+`\`) == "":
		return s
	case system == "windows" && !strings.ContainsAny(s, "\"$%`"): // in double quotes nothing else means anything
		return `"` + s + `"`
	}
	return ShellQuote(s)
}

// ShellQuote puts s into single quotes, in which a POSIX shell takes everything
// as it is.
func ShellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// PowerShellQuote does so for PowerShell, to which typographic quotation marks are
// the same as the plain one.
func PowerShellQuote(s string) string {
	for _, mark := range []string{"'", "‘", "’", "‚", "‛"} {
		s = strings.ReplaceAll(s, mark, mark+mark)
	}
	return "'" + s + "'"
}
