// Command release builds what a release of codexauth consists of: archives,
// packages, an image, the files of package indexes, lists of what is linked in, and
// checksums. release/build runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A target is a system that a release is for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// binary is the name of the program there.
func (t target) binary() string {
	if t.os == "windows" {
		return "codexauth.exe"
	}
	return "codexauth"
}

func allTargets() (all []target) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, target{system, arch})
		}
	}
	return all
}

// A release is one version that is being built.
type release struct {
	version string
	when    time.Time // of everything in it
	out     string    // what is published
	stage   string    // what that is made from
	targets []target
	config  map[string]string
}

func (r *release) date() string { return r.when.Format("2006-01-02") }

// in is a path in the stage.
func (r *release) in(parts ...string) string {
	return filepath.Join(append([]string{r.stage}, parts...)...)
}

// file is the name of a published file.
func (r *release) file(suffix string) string {
	return filepath.Join(r.out, "codexauth_"+r.version+"_"+suffix)
}

func (r *release) has(t target) bool { return slices.Contains(r.targets, t) }

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: release VERSION OUT")
	}
	r, err := newRelease(args[0], args[1])
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.stage)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"programs", r.compile},
		{"manual pages and completions", r.describe},
		{"licences", r.licences},
		{"bills of materials", r.materials},
		{"archives", r.archives},
		{"packages", r.packages},
		{"image", r.image},
		{"checksums of archives, package indexes", r.indexes},
		{"checksums", r.checksums},
	} {
		fmt.Fprintln(os.Stderr, "release:", step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func newRelease(version, out string) (*release, error) {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9a-z.]+)?$`).MatchString(version) {
		return nil, fmt.Errorf("%q is not a version such as 0.1.0 or 0.2.0-rc.1", version)
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH is the release's time, in seconds: %w", err)
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty: a release is made in a folder of its own", out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	config, err := readConfig("release/config")
	if err != nil {
		return nil, err
	}
	stage, err := os.MkdirTemp("", "codexauth-release-")
	if err != nil {
		return nil, err
	}
	r := &release{version: version, when: time.Unix(seconds, 0).UTC(), out: out, stage: stage, targets: allTargets(), config: config}
	if some := strings.Fields(os.Getenv("TARGETS")); len(some) > 0 {
		r.targets = slices.DeleteFunc(r.targets, func(t target) bool { return !slices.Contains(some, t.String()) })
		if len(r.targets) != len(some) {
			return nil, fmt.Errorf("TARGETS has a system that no release is for; there are %v", allTargets())
		}
	}
	return r, nil
}

// readConfig reads lines of "name = value".
func readConfig(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is not name = value", path, line)
		}
		config[name] = value
	}
	return config, nil
}

// host is the machine that builds.
func host() target { return target{runtime.GOOS, runtime.GOARCH} }
