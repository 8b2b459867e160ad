// Package tools knows other makers' programs that speak OpenAI's API: where their
// settings are, what to put there so that they use a broker, and how to tell whether
// they do.
//
// What is said here of a program is what its version in e2e was seen to do.
package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"codexauth/internal/statedir"
	"codexauth/internal/toolfile"
)

// provider is the name under which a tool lists what it gets here.
const provider = "codexauth"

// A Broker is what a tool is set up to ask.
type Broker struct {
	URL     string // ends in /v1
	Key     string
	KeyFile string  // in which the key stands
	Models  []Model // the first one is the tool's choice
}

// A Model is one of the backend's list.
type Model struct {
	ID      string
	Context int64 // in tokens; 0 if it is not known
}

// A Target is a file of a tool's that is to be changed.
type Target struct {
	Path   string
	Edit   toolfile.Edit
	Secret bool // the key stands in it
}

// A Tool is a program that can use a login.
type Tool struct {
	Name, Title string
	// Run is how it is tried.
	Run string

	programs []string // its names in PATH
	dirs     []string // of its files; the first one it makes itself
	targets  func(dir string, b Broker) ([]Target, error)
	logins   func() []string // which accounts or keys it holds itself
	paste    string
}

// All are the tools, those first whose files can be written.
func All() []Tool {
	return append([]Tool{opencode(), continueDev(), pi(), cline()}, pasted()...)
}

// Names are the names of all tools.
func Names() (names []string) {
	for _, t := range All() {
		names = append(names, t.Name)
	}
	return names
}

// Find returns the tool of a name.
func Find(name string) (Tool, bool) {
	all := All()
	i := slices.IndexFunc(all, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return Tool{}, false
	}
	return all[i], true
}

// Writes reports whether its files can be written.
func (t Tool) Writes() bool { return t.targets != nil }

// Targets are the files to change for b.
func (t Tool) Targets(b Broker) ([]Target, error) {
	if len(b.Models) == 0 {
		b.Models = []Model{{}}
	}
	dir, err := place(t.dirs[0])
	if err != nil {
		return nil, err
	}
	return t.targets(dir, b)
}

// Paste is what to write into the settings of a tool by hand, with KEY and MODEL where the
// reader puts those.
func (t Tool) Paste(url string) string {
	return strings.NewReplacer("{url}", url, "{key}", "KEY", "{model}", "MODEL").Replace(t.paste)
}

// A Found is what there is of a tool on this machine.
type Found struct {
	Tool
	Program string   // its path; "" if it is not in PATH
	Here    bool     // it is, or has files or logins
	Uses    bool     // it is set up to use a login here
	Logins  []string // its own
}

// Look looks for a tool on this machine.
func (t Tool) Look() Found {
	f := Found{Tool: t}
	for _, name := range t.programs {
		if f.Program == "" {
			f.Program = Program(name)
		}
		f.Here = f.Program != ""
	}
	for _, name := range t.dirs {
		if dir, err := place(name); err == nil && isDir(dir) {
			f.Here = true
		}
	}
	if t.Writes() {
		if targets, err := t.Targets(Broker{}); err == nil {
			f.Uses = toolfile.IsSetUp(targets[0].Path)
		}
	}
	if t.logins != nil {
		f.Logins = t.logins()
		f.Here = f.Here || len(f.Logins) > 0
	}
	return f
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// place makes a path of one that begins with ~ or with a variable, $NAME, for which
// there may be another in place: $XDG_CONFIG_HOME|~/.config/x.
func place(name string) (string, error) {
	if variable, rest, ok := strings.Cut(name, "|"); ok {
		tail := ""
		if i := strings.IndexByte(variable, '/'); i >= 0 {
			variable, tail = variable[:i], variable[i:]
		}
		if dir := os.Getenv(variable[1:]); dir != "" {
			dir, err := filepath.Abs(dir)
			return filepath.Join(dir, filepath.FromSlash(tail)), err
		}
		name = rest
	}
	home, err := os.UserHomeDir()
	if err == nil {
		err = statedir.Mine(home)
	}
	return filepath.Join(home, filepath.FromSlash(strings.TrimPrefix(name, "~"))), err
}

// Program is the path of a program in PATH; "" if it is not there.
func Program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}
