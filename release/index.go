package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// An archived target is what a package index needs to know of an archive.
type archived struct {
	URL, File, Top, SHA256 string
}

// indexes writes the files by which package managers find a release. They name all
// systems, so they are left out where not all were built.
func (r *release) indexes() error {
	if len(r.targets) != len(allTargets()) {
		return nil
	}
	data := struct {
		Version, Date string
		Config        map[string]string
		Archives      map[string]archived
	}{r.version, r.date(), r.config, map[string]archived{}}
	base := strings.ReplaceAll(r.config["download"], "VERSION", r.version)
	for _, t := range r.targets {
		digest, err := sum(r.archive(t))
		if err != nil {
			return err
		}
		file := filepath.Base(r.archive(t))
		top := strings.TrimSuffix(strings.TrimSuffix(file, ".zip"), ".tar.gz")
		data.Archives[t.os+"_"+t.arch] = archived{base + "/" + file, file, top, digest}
	}
	return filepath.WalkDir("release/templates", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		tmpl, err := template.New(filepath.Base(path)).Funcs(template.FuncMap{"upper": strings.ToUpper}).Option("missingkey=error").ParseFiles(path)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := tmpl.Execute(&text, data); err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "release/templates/"), ".tmpl")
		at := filepath.Join(r.out, "indexes", name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		return os.WriteFile(at, text.Bytes(), 0o644)
	})
}
