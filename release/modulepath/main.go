// Command modulepath gives this module another path. release/set-module-path runs it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: modulepath PATH")
		os.Exit(2)
	}
	if err := rename(".", os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "modulepath:", err)
		os.Exit(1)
	}
}

// A renaming is of the module in dir, from one path to another.
type renaming struct{ dir, from, to string }

func rename(dir, to string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9][A-Za-z0-9._~-]*)*$`).MatchString(to) {
		return fmt.Errorf("%q is not a module path such as example.org/somebody/codexauth", to)
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(text)
	if m == nil {
		return errors.New("go.mod names no module")
	}
	r := renaming{dir, string(m[1]), to}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		return r.file(path)
	})
}

// file renames in one file, of a kind that names modules.
func (r renaming) file(path string) error {
	change := r.lines
	switch {
	case filepath.Base(path) == "go.mod":
		change = r.modFile
	case strings.HasSuffix(path, ".go"):
		change = r.source
	case !strings.HasSuffix(path, ".md"):
		return nil
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := change(path, old)
	if err != nil || bytes.Equal(old, changed) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, changed, info.Mode().Perm())
}

// renamed is the new path of a package, and whether it is one of this module.
func (r renaming) renamed(pkg string) (string, bool) {
	if rest, ok := strings.CutPrefix(pkg, r.from); ok && (rest == "" || rest[0] == '/') {
		return r.to + rest, true
	}
	return pkg, false
}

func (r renaming) modFile(_ string, text []byte) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		words := strings.Fields(line)
		for _, word := range words {
			if to, ok := r.renamed(word); ok {
				lines[i] = strings.Replace(line, word, to, 1)
				break
			}
		}
	}
	return []byte(strings.Join(lines, "")), nil
}

// source renames imports, and strings that name a package which there is.
func (r renaming) source(path string, text []byte) ([]byte, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	imports := map[*ast.BasicLit]bool{}
	for _, spec := range f.Imports {
		imports[spec.Path] = true
	}
	type edit struct {
		at, end int
		text    string
	}
	var edits []edit
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		value, err := strconv.Unquote(lit.Value)
		if err != nil {
			return true
		}
		if to, ok := r.renamed(value); ok && (imports[lit] || r.isPackage(value)) {
			edits = append(edits, edit{set.Position(lit.Pos()).Offset, set.Position(lit.End()).Offset, strconv.Quote(to)})
		}
		return true
	})
	if len(edits) == 0 {
		return text, nil
	}
	var b bytes.Buffer
	last := 0
	for _, e := range edits {
		b.Write(text[last:e.at])
		b.WriteString(e.text)
		last = e.end
	}
	b.Write(text[last:])
	return format.Source(b.Bytes()) // imports are sorted
}

// isPackage reports whether a string is the path of a package below the module's
// root. (The root's own is also the program's name, and stays.)
func (r renaming) isPackage(value string) bool {
	rest, ok := strings.CutPrefix(value, r.from+"/")
	if !ok || rest == "" {
		return false
	}
	sources, err := filepath.Glob(filepath.Join(r.dir, filepath.FromSlash(rest), "*.go"))
	return err == nil && len(sources) > 0
}

// lines renames imports, and the lines of a go.mod, that a text shows.
func (r renaming) lines(_ string, text []byte) ([]byte, error) {
	from := regexp.QuoteMeta(r.from)
	shown := regexp.MustCompile(`(?m)^(\s*(?:[\w.]+ )?"|import "|require |replace )` + from + `((?:/[\w/]+)?"$| v0\.0\.0$| => )`)
	return shown.ReplaceAll(text, []byte("${1}"+r.to+"${2}")), nil
}
