// Package foreign finds the logins with ChatGPT that other tools keep in files of
// theirs on this machine, and takes one out of its file: of two programs that hold a
// login, the one that refreshes second ends it.
//
// What is said here of a tool is what its public source shows; the source is named
// beside it.
package foreign

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"codexauth/internal/codexcli"
	"codexauth/internal/statedir"
)

// A Tool is a program that signs people in by itself.
type Tool struct {
	Name  string // as people type it
	Title string // as people read it

	// files lists where the tool keeps logins; they need not be there.
	files func() ([]string, error)
	parse func(data []byte) (contents, error)
	lock  func(ctx context.Context, path string) (unlock func(), err error)
}

// Codex is the name of the official command line.
const Codex = "codex"

// Tools are the tools whose logins can be taken over.
func Tools() []*Tool {
	return []*Tool{
		{Name: Codex, Title: "the Codex CLI", files: codexFiles, parse: parseCodex, lock: codexcli.Lock},
		// anomalyco/opencode, packages/opencode/src/auth/index.ts and src/plugin/openai/codex.ts:
		// one entry a provider; read again for each request, written without a lock.
		{Name: "opencode", Title: "opencode", files: opencodeFiles, parse: entryParser("openai"), lock: noLock},
		// earendil-works/pi, packages/coding-agent/src/core/auth-storage.ts and
		// packages/ai, openai-codex: the same, under a lock that it holds while it refreshes.
		{Name: "pi", Title: "pi", files: piFiles, parse: entryParser("openai-codex"), lock: lockDirectory},
		// router-for-me/CLIProxyAPI, internal/auth/codex/token.go and sdk/auth/filestore.go: one
		// file a login, whichever its name; a running server sees that one was taken away.
		{Name: "cliproxyapi", Title: "CLIProxyAPI", files: cliProxyFiles, parse: parseCLIProxy, lock: noLock},
		// block/goose, crates/goose/src/providers/chatgpt_codex.rs and src/config/paths.rs.
		{Name: "goose", Title: "goose", files: gooseFiles, parse: parseFlat, lock: noLock},
		// BerriAI/litellm, litellm/llms/chatgpt/authenticator.py.
		{Name: "litellm", Title: "LiteLLM", files: liteLLMFiles, parse: parseFlat, lock: noLock},
	}
}

// Named returns the tool of that name; nil if there is none.
func Named(name string) *Tool {
	for _, t := range Tools() {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Names lists the names of all tools.
func Names() (names []string) {
	for _, t := range Tools() {
		names = append(names, t.Name)
	}
	return names
}

// Places lists where the tool keeps logins. No file need be there.
func (t *Tool) Places() ([]string, error) { return t.files() }

// Files lists the files of the tool's that are there, most of which hold a login.
func (t *Tool) Files() ([]string, error) {
	all, err := t.files()
	return slices.DeleteFunc(all, func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	}), err
}

// Lock keeps the tool from changing the login in its file at path, where it heeds a
// lock. It waits until the deadline of ctx; the error then wraps codexauth.ErrBusy.
func (t *Tool) Lock(ctx context.Context, path string) (unlock func(), err error) {
	return t.lock(ctx, path)
}

func noLock(context.Context, string) (func(), error) { return func() {}, nil }

func codexFiles() ([]string, error) {
	home, err := codexcli.Home()
	if err != nil {
		return nil, err
	}
	return []string{filepath.Join(home, codexcli.AuthFile)}, nil
}

// inHome is a file in the person's home directory.
func inHome(path ...string) ([]string, error) {
	home, err := statedir.Home()
	if err != nil {
		return nil, err
	}
	return []string{filepath.Join(append([]string{home}, path...)...)}, nil
}

// under is a file below the directory that a variable names, else below the usual
// one in the person's home.
func under(variable string, path, usual []string) ([]string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return []string{filepath.Join(append([]string{dir}, path...)...)}, nil
	}
	return inHome(append(usual, path...)...)
}

// opencode goes by the XDG directories on every system.
func opencodeFiles() ([]string, error) {
	return under("XDG_DATA_HOME", []string{"opencode", "auth.json"}, []string{".local", "share"})
}

func piFiles() ([]string, error) {
	if rest, ok := strings.CutPrefix(os.Getenv("PI_CODING_AGENT_DIR"), "~"); ok {
		return inHome(rest, "auth.json")
	}
	return under("PI_CODING_AGENT_DIR", []string{"auth.json"}, []string{".pi", "agent"})
}

func gooseFiles() ([]string, error) {
	tokens := []string{"chatgpt_codex", "tokens.json"}
	if root := os.Getenv("GOOSE_PATH_ROOT"); filepath.IsAbs(root) {
		return []string{filepath.Join(append([]string{root, "config"}, tokens...)...)}, nil
	}
	if runtime.GOOS == "windows" {
		return under("APPDATA", append([]string{"Block", "goose", "config"}, tokens...), []string{"AppData", "Roaming"})
	}
	return under("XDG_CONFIG_HOME", append([]string{"goose"}, tokens...), []string{".config"})
}

func liteLLMFiles() ([]string, error) {
	name := "auth.json"
	if own := os.Getenv("CHATGPT_AUTH_FILE"); own != "" {
		name = own
	}
	return under("CHATGPT_TOKEN_DIR", []string{name}, []string{".config", "litellm", "chatgpt"})
}

// maxFiles is how many files of one directory are looked at.
const maxFiles = 256

func cliProxyFiles() ([]string, error) {
	dir, err := inHome(".cli-proxy-api")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(globEscaped(dir[0]), "*.json"))
	return files[:min(len(files), maxFiles)], err
}

// globEscaped is a path that filepath.Glob takes literally. On Windows nothing can be
// escaped, and no name has what would have to be.
func globEscaped(path string) string {
	if runtime.GOOS == "windows" {
		return path
	}
	var text []byte
	for _, c := range []byte(path) {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			text = append(text, '\\')
		}
		text = append(text, c)
	}
	return string(text)
}
