package codexauth_test

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mostNames is how many names the package exports at most: whoever adds one that
// others can do without takes another away.
const mostNames = 100

// A method that a standard interface asks for is no name to learn.
var standardMethods = []string{"String", "Format", "LogValue", "MarshalText", "Error", "Is", "Unwrap"}

// exported lists the names that a user of the package meets, each with its comment.
// A method is Type.Method.
func exported(t *testing.T) (comments map[string]string) {
	t.Helper()
	set := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	must(t, err)
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_windows.go") || strings.HasSuffix(path, "_other.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		must(t, err)
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(set, files, "codexauth")
	must(t, err)
	comments = map[string]string{}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			for _, s := range v.Decl.Specs {
				s := s.(*ast.ValueSpec)
				for _, name := range s.Names {
					comments[name.Name] = v.Doc + s.Doc.Text() + s.Comment.Text()
				}
			}
		}
	}
	funcs := func(prefix string, fs []*doc.Func) {
		for _, f := range fs {
			if prefix == "" || !slices.Contains(standardMethods, f.Name) {
				comments[prefix+f.Name] = f.Doc
			}
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, typ := range p.Types {
		comments[typ.Name] = typ.Doc
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
	}
	return comments
}

// What others need of this package, and no more: each name has a reader, and says
// what it is.
func TestExportedNames(t *testing.T) {
	names := exported(t)
	if len(names) > mostNames || len(names) < 50 {
		t.Errorf("the package exports %d names; at most %d", len(names), mostNames)
	}
	readers := readersOf(t)
	for name, comment := range names {
		if strings.TrimSpace(comment) == "" {
			t.Errorf("%s has no comment", name)
		}
		_, last, isMethod := strings.Cut(name, ".")
		if isMethod && !readers["."+last+"("] {
			t.Errorf("nobody calls %s", name)
		}
		if !isMethod && !readers["codexauth."+name] && !slices.Contains(metInFields, name) {
			t.Errorf("nobody reads %s", name)
		}
	}
}

// Types that a reader meets as what a field or an error holds, and has no need to
// name.
var metInFields = []string{"Attempt", "EventKind", "RescuePlace"}

// readersOf returns what of this package is used from outside, or by its examples:
// "codexauth.Name", ".Method(".
func readersOf(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	use := regexp.MustCompile(`codexauth\.[A-Z]\w*|\.[A-Z]\w*\(`)
	must(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		if filepath.Dir(path) == "." && path != "example_test.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, name := range use.FindAll(text, -1) {
			used[string(name)] = true
			used[strings.TrimSuffix(string(name[bytes.IndexByte(name, '.'):]), "(")+"("] = true
		}
		return err
	}))
	return used
}
