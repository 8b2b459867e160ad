package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// On Windows npm installs a command as a batch file (codex.cmd), and a batch file
// is run by cmd.exe, which takes an argument apart by rules of its own: behind a
// quotation mark in it, an & begins another command. There is no quoting that
// always holds. So what npm's batch file would run is run directly, and any other
// one gets no argument that cmd.exe could misread.

// direct returns what to run in place of path, which was called by name, and what to
// put before its arguments. The error names what can't be passed on safely.
func direct(name, path string, args []string) (command string, before []string, err error) {
	if !isBatch(path) {
		return path, nil, nil
	}
	if text, err := os.ReadFile(path); err == nil {
		if script := behindShim(string(text)); script != "" {
			script = filepath.Join(filepath.Dir(path), filepath.FromSlash(strings.ReplaceAll(script, `\`, "/")))
			node, err := besideOrInPath(filepath.Dir(path), "node.exe")
			if _, missing := os.Stat(script); missing == nil && err == nil {
				return node, []string{script}, nil
			}
		}
	}
	for _, word := range []string{name, path} {
		if bad := inCommandName(word); bad != "" {
			return "", nil, fmt.Errorf("it is a batch file, and the command processor would take %q in its name for a command of its own: give the file or its directory another name, or run the program that it starts instead", bad)
		}
	}
	for _, arg := range args {
		if i := strings.IndexAny(arg, "\"%!&|<>^()\r\n"); i >= 0 {
			return "", nil, fmt.Errorf("it is a batch file, and the command processor would take %q in an argument for a command of its own: run the program that it starts instead", arg[i])
		}
	}
	return path, nil, nil
}

// inCommandName is what cmd.exe would misread in the name of a batch file; "" if
// nothing. Go puts a name in quotation marks only where it has a blank, as that of
// C:\Program Files (x86) has. Between them a % still counts; without them, what joins
// or separates commands and arguments does as well.
func inCommandName(name string) string {
	misread := "\"%!&|<>^()\r\n,;="
	if strings.ContainsAny(name, " \t") {
		misread = "\"%!\r\n"
	}
	if i := strings.IndexAny(name, misread); i >= 0 {
		return name[i : i+1]
	}
	return ""
}

func isBatch(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return runtime.GOOS == "windows" && (ext == ".cmd" || ext == ".bat")
}

// behindShim is the script that a batch file of npm's runs by node, from the batch
// file's directory; "" if it is no such file.
func behindShim(text string) string {
	shim := regexp.MustCompile(`(?i)"%_prog%"\s+"%(?:~dp0|dp0%)\\?([^"%]+\.[cm]?js)"\s+%\*`)
	if found := shim.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

func besideOrInPath(dir, name string) (string, error) {
	if path := filepath.Join(dir, name); exists(path) {
		return path, nil
	}
	return exec.LookPath(name)
}
