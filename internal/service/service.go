// Package service writes down how a system is to run the broker for one user: units of
// systemd, a property list of launchd, a task of Windows. It runs nothing.
package service

import "strings"

// Label is what the service is called by each of them.
const Label = "codexauth"

// Mark stands in every file that this package has made, and in no other.
const Mark = "Written by `codexauth setup service`, which can undo it."

// Spec is a broker to run.
type Spec struct {
	Program string            // absolute
	Args    []string          // of the program; no secret
	Env     map[string]string // what its settings come from; no secret
	Socket  string            // absolute path of its Unix socket; "" where there are none
	Listen  string            // host:port on this machine; "" is no TCP
	Log     string            // absolute path, where nobody else keeps a log
	User    string            // whose logon starts it, on Windows
}

// A File is one that is to be there.
type File struct {
	Path string
	Text []byte
}

// Ours reports whether a file's text was made by this package.
func Ours(text []byte) bool {
	return strings.Contains(strings.ReplaceAll(string(text), "\x00", ""), Mark)
}
