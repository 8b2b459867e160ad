package codexauth_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"codexauth"
)

// imports maps each package of this module to all packages that it depends on.
func imports(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

// house maps each package of this module to all packages that it depends on.
func house(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		deps[words[0]] = words[1:]
	}
	return deps
}

// below reports whether a package is dir, or stands in it.
func below(pkg, dir string) bool { return strings.HasPrefix(pkg+"/", module+"/"+dir+"/") }

// module is the path of this one, whatever it is called where it is published.
var module = reflect.TypeFor[codexauth.Manager]().PkgPath()

// elsewhere reports whether a package is neither ours nor of the standard library.
func elsewhere(pkg string) bool {
	return strings.Contains(strings.Split(pkg, "/")[0], ".") && !strings.HasPrefix(pkg+"/", module+"/")
}

// Arrows run one way: the root imports no store and nothing from elsewhere,
// nobody imports a command, and no product links what the tests run against.
func TestHouse(t *testing.T) {
	for _, dep := range imports(t, ".") {
		if elsewhere(dep) {
			t.Errorf("the root package depends on %s", dep)
		}
		if strings.HasPrefix(dep, module+"/") && !below(dep, "internal") {
			t.Errorf("the root package depends on %s", dep)
		}
	}
	for pkg, deps := range house(t) {
		for _, dep := range deps {
			if below(dep, "cmd") && !below(pkg, "cmd") {
				t.Errorf("%s depends on a command", pkg)
			}
			if below(dep, "internal/rig") && !tests(pkg) {
				t.Errorf("%s depends on %s, which is for tests and rigs", pkg, dep)
			}
		}
	}
}

// Where the standard library lacks a call, the root's parts use the system's own.
func TestRootOnOtherSystems(t *testing.T) {
	for _, system := range []string{"windows", "darwin"} {
		cmd := exec.Command("go", "list", "-deps", ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			if elsewhere(dep) && !strings.HasPrefix(dep, "golang.org/x/sys/") {
				t.Errorf("on %s the root package depends on %s", system, dep)
			}
		}
	}
}

// What a package of the command line must not depend on, so that each can be read
// by itself. What puts everything together is for commands and rigs alone.
func TestArrowsOfTheCommandLine(t *testing.T) {
	const inside = "cmd/codexauth/internal/"
	rooms := func(names ...string) (dirs []string) {
		for _, name := range names {
			dirs = append(dirs, inside+name)
		}
		return dirs
	}
	never := map[string][]string{
		"internal/hint":       {"."},
		"internal/reason":     {"."},
		"internal/frame":      {"."},
		"internal/httplog":    {".", "store", "broker", "internal/place", "cmd"},
		"internal/config":     {".", "store", "broker", "internal/place", "cmd"},
		"internal/address":    {".", "store", "broker", "internal/place", "cmd"},
		"internal/foreign":    {"store", "broker", "internal/place", "cmd"},
		"internal/monitor":    {"store", "broker", "internal/place", "cmd"},
		"internal/aether":     {"store", "broker", "internal/place", "cmd"},
		"internal/jsonedit":   {".", "store", "broker", "internal/place", "cmd"},
		"internal/toolfile":   {".", "store", "broker", "internal/place", "cmd"},
		"internal/tools":      {".", "store", "broker", "internal/place", "cmd"},
		inside + "ui":         {"store", "broker", "internal/place", "cmd"},
		inside + "verdict":    {"internal/place", inside + "doctor", inside + "rotator", inside + "demo"},
		inside + "manual":     {".", "store", "broker", "internal/place", "cmd"},
		inside + "program":    {".", "store", "broker", "internal/place", "cmd"},
		inside + "resident":   {".", "store", "broker", "internal/place", "cmd"},
		inside + "watch":      {"store", "internal/place", inside + "page", inside + "doctor", inside + "rotator"},
		inside + "page":       {"store", "internal/place", "cmd"},
		inside + "rotator":    {"cmd"},
		inside + "demo":       {"broker", "internal/place", "cmd"},
		inside + "doctor":     {"cmd", "sandbox"},
		inside + "run":        rooms("alert", "demo", "doctor", "manual", "page", "resident"),
		inside + "remember":   rooms("alert", "demo", "doctor", "manual", "monitoring", "page", "resident", "serving", "settingup"),
		inside + "monitoring": rooms("demo", "doctor", "manual", "moving", "page", "remember"),
		inside + "serving":    rooms("demo", "doctor", "manual", "moving", "remember"),
		inside + "settingup":  rooms("demo", "doctor", "manual", "moving", "remember"),
		inside + "moving":     rooms("alert", "demo", "doctor", "manual", "monitoring", "page", "resident", "serving", "settingup"),
	}
	// Of the command line's own packages these may be used by the others.
	shared := []string{inside + "ui", inside + "program", inside + "verdict", inside + "watch"}
	deps := house(t)
	for pkg, dirs := range never {
		if _, ok := deps[module+"/"+pkg]; !ok {
			t.Errorf("there is no %s: this test looks for the wrong thing", pkg)
		}
		for _, dep := range deps[module+"/"+pkg] {
			if !slices.Contains(shared, pkg) && slices.ContainsFunc(shared, func(dir string) bool { return below(dep, dir) }) {
				continue
			}
			if slices.ContainsFunc(dirs, func(dir string) bool { return below(dep, dir) || dir == "." && dep == module }) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
	for pkg, of := range deps {
		if slices.Contains(of, "codexauth/internal/config") && !below(pkg, "cmd") && !below(pkg, "open") && !below(pkg, "internal/place") && !tests(pkg) {
			t.Errorf("%s depends on internal/config: only commands and package open go by a person's settings", pkg)
		}
		if slices.Contains(of, "codexauth/internal/place") && !below(pkg, "cmd") && !below(pkg, "open") && !below(pkg, "internal/place") && !tests(pkg) {
			t.Errorf("%s depends on internal/place, which puts everything together", pkg)
		}
	}
}

// tests reports whether a package serves tests or measurements and nothing else.
func tests(pkg string) bool {
	return slices.ContainsFunc([]string{"internal/rig", "rigs", "bench", "store/storetest"}, func(dir string) bool {
		return below(pkg, dir)
	})
}

// What a program links that uses the file store alone.
func TestFileStoreIsLight(t *testing.T) {
	allowed := []string{"github.com/gofrs/flock", "golang.org/x/sys"}
	for _, dep := range imports(t, "./store/file") {
		if elsewhere(dep) && !slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(dep, p) }) {
			t.Errorf("the file store depends on %s", dep)
		}
	}
}

// What a program links that keeps its key in a keyring, and what others don't.
func TestOnlyTheKeyringStoreLinksKeyrings(t *testing.T) {
	heavy := []string{"github.com/godbus/", "github.com/zalando/go-keyring", "github.com/danieljoos/", "github.com/jackc/", "filippo.io/"}
	for _, pkg := range []string{".", "./store/file", "./store/memory", "./login", "./oauth2source"} {
		for _, dep := range imports(t, pkg) {
			if slices.ContainsFunc(heavy, func(p string) bool { return strings.HasPrefix(dep, p) }) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
	linked := imports(t, "./store/keyring")
	if runtime.GOOS == "linux" && !slices.Contains(linked, "github.com/godbus/dbus/v5") {
		t.Error("the keyring store does not depend on godbus: this test looks for the wrong thing")
	}
	for _, dep := range linked {
		if strings.HasPrefix(dep, "github.com/jackc/") || strings.HasPrefix(dep, "github.com/spf13/") {
			t.Errorf("the keyring store depends on %s", dep)
		}
	}
}

// A program that asks package open for its login links a keyring, a database or age
// only if it names them.
func TestOpenLinksWhatItIsAskedTo(t *testing.T) {
	heavy := map[string]string{"keyring": "github.com/zalando/go-keyring", "age": "filippo.io/age", "postgres": "github.com/jackc/pgx/v5/pgconn", "etcd": "codexauth/store/etcd"}
	for _, dep := range imports(t, "./open") {
		elsewhere := strings.Contains(strings.Split(dep, "/")[0], ".") && !strings.HasPrefix(dep, "vendor/")
		light := slices.ContainsFunc([]string{"github.com/gofrs/flock", "github.com/pelletier/go-toml/", "golang.org/x/sys"}, func(p string) bool { return strings.HasPrefix(dep, p) })
		if elsewhere && !light || dep == heavy["etcd"] {
			t.Errorf("package open depends on %s", dep)
		}
	}
	for kind := range heavy {
		deps := imports(t, "./open/"+kind)
		for other, dep := range heavy {
			if kind == "keyring" && other == "age" {
				continue // which seals what the keyring has the key of
			}
			if slices.Contains(deps, dep) != (kind == other) {
				t.Errorf("open/%s depends on %s: %v", kind, dep, kind != other)
			}
		}
	}
}

// The driver's pool and query layer would be paid for by every start of a program.
func TestPostgresStoreIsLight(t *testing.T) {
	for _, dep := range imports(t, "./store/postgres") {
		if dep == "github.com/jackc/pgx/v5" || strings.HasPrefix(dep, "github.com/jackc/pgx/v5/pgxpool") || strings.HasPrefix(dep, "github.com/jackc/puddle") {
			t.Errorf("the PostgreSQL store depends on %s", dep)
		}
	}
}

// With html/template, which calls methods by their names, the linker leaves out no
// method of anything: a seventh of the command line, and a tenth of its start.
func TestCommandLinesLinkNoTemplates(t *testing.T) {
	if slices.Contains(imports(t, "./cmd/codexauth"), "html/template") {
		t.Error("the command line depends on html/template")
	}
}

// Every test and rig that GUARANTEES.md names exists, and every promise names one.
func TestGuaranteesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile("docs/GUARANTEES.md")
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{}
	definition := regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+)\(`)
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range definition.FindAllStringSubmatch(string(src), -1) {
			defined[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1) {
		named++
		if !defined[name] {
			t.Errorf("GUARANTEES.md names %s, which does not exist", name)
		}
	}
	if named < 30 {
		t.Errorf("only %d tests are named", named)
	}
	known := append(append(rigsOf(t, "rigs"), rigsOf(t, "bench")...), checksOf(t, ".ci/release")...)
	rig := regexp.MustCompile("`((?:rigs|bench|\\.ci/release) [a-z_-]+)`")
	for _, m := range rig.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("GUARANTEES.md names %q, which does not exist", m[1])
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| Promise") && !strings.HasPrefix(line, "| Rule") && !strings.HasPrefix(line, "| ---") &&
			!strings.Contains(line, "Test") && !strings.Contains(line, "Fuzz") && !rig.MatchString(line) {
			t.Errorf("a promise without a test: %s", line)
		}
	}
}

// Two branches that meet leave a page, or a promise, twice.
func TestDocsSayNothingTwice(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("only %d pages were found (%v)", len(pages), err)
	}
	for _, page := range append(pages, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "rigs/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			said := strings.TrimSpace(line)
			row := strings.HasPrefix(said, "| ") && page == "docs/GUARANTEES.md" && !strings.HasPrefix(said, "| Pro")
			if len(said) < 20 || !row && said[0] != '#' && !strings.HasPrefix(said, "- ") {
				continue
			}
			if seen[said] {
				t.Errorf("%s says twice: %s", page, said)
			}
			seen[said] = true
		}
	}
}

// checksOf lists the checks of a script, each a function: ".ci/release image".
func checksOf(t *testing.T, script string) (names []string) {
	t.Helper()
	src, err := os.ReadFile(filepath.FromSlash(script))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)\(\) \{`).FindAllStringSubmatch(string(src), -1) {
		names = append(names, script+" "+m[1])
	}
	return names
}

// rigsOf lists the subcommands of a program of rigs: "rigs storm".
func rigsOf(t *testing.T, program string) (names []string) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(program, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{Name: "([a-z-]+)"`).FindAllStringSubmatch(string(src), -1) {
		names = append(names, program+" "+m[1])
	}
	if len(names) == 0 {
		t.Fatalf("%s/main.go names no rigs: this test looks for the wrong thing", program)
	}
	return names
}

// A rig that no guarantee hangs on, or that nobody can find, is dead.
func TestEveryRigIsExplained(t *testing.T) {
	readme, err := os.ReadFile("rigs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	guarantees, err := os.ReadFile("docs/GUARANTEES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rigsOf(t, "rigs") {
		if row := "| `" + strings.TrimPrefix(name, "rigs ") + "` |"; !strings.Contains(string(readme), row) {
			t.Errorf("rigs/README.md has no row that begins with %s", row)
		}
		if !strings.Contains(string(guarantees), "`"+name+"`") {
			t.Errorf("no guarantee hangs on %s", name)
		}
	}
}
