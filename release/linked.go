package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A module is one that is linked into a program.
type module struct {
	path, version string
	licence       string   // as SPDX calls it
	texts         []string // its licence, and what must be said with it
}

// linked are the modules in the program for t, as the program itself tells; Go's
// library comes first.
func (r *release) linked(t target) ([]module, error) {
	info, err := buildinfo.ReadFile(r.program(t))
	if err != nil {
		return nil, err
	}
	version := strings.Fields(strings.TrimPrefix(info.GoVersion, "go"))[0]
	all := []module{{path: "stdlib", version: version}}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return nil, fmt.Errorf("%s is replaced, so nobody else could build this", dep.Path)
		}
		all = append(all, module{path: dep.Path, version: dep.Version})
	}
	for i := range all {
		if err := all[i].findLicence(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// findLicence reads the licence of a module where Go keeps its source.
func (m *module) findLicence() error {
	where := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.path)
	if m.path == "stdlib" {
		where = exec.Command("go", "env", "GOROOT")
	}
	out, err := output(where)
	if err != nil {
		return err
	}
	dir := strings.TrimSpace(string(out))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	named := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.|-|$)`)
	for _, e := range entries {
		if !named.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, strings.TrimSpace(string(text)))
		if m.licence == "" {
			m.licence = licenceOf(string(text))
		}
	}
	if m.licence == "" {
		return fmt.Errorf("%s %s has no licence that is known here: read it before it is linked in", m.path, m.version)
	}
	return nil
}

// licenceOf is the SPDX name of a licence that may be linked into ours, or "".
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("Apache License") && has("Version 2.0"):
		return "Apache-2.0"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute"), has("Permission to use, copy, modify, and distribute"):
		return "ISC"
	case has("Redistribution and use in source and binary forms") && has("names of its contributors"), has("Redistribution and use in source and binary forms") && has("Neither the name"):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// licences writes the licences of what any of the programs has linked in.
func (r *release) licences() error {
	seen := map[string]module{}
	for _, t := range r.targets {
		mods, err := r.linked(t)
		if err != nil {
			return err
		}
		for _, m := range mods {
			seen[m.path] = m
		}
	}
	var paths []string
	for path := range seen {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var text strings.Builder
	text.WriteString("codexauth has parts of these modules in it, under these licences.\n")
	for _, path := range paths {
		m := seen[path]
		name := m.path
		if name == "stdlib" {
			name = "Go's standard library and runtime"
		}
		fmt.Fprintf(&text, "\n%s\n%s %s (%s)\n\n%s\n", strings.Repeat("=", 78), name, m.version, m.licence, strings.Join(m.texts, "\n\n"))
	}
	return os.WriteFile(r.in("licences.txt"), []byte(text.String()), 0o644)
}
