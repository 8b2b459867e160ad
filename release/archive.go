package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A content is a file of an archive or a package, and where it comes from.
type content struct {
	at, from string
	mode     os.FileMode
}

// contents are what every archive has; units are for systemd.
func (r *release) contents(t target) ([]content, error) {
	all := []content{
		{t.binary(), r.program(t), 0o755},
		{"LICENSE", "LICENSE", 0o644},
		{"THIRD-PARTY-LICENSES.txt", r.in("licences.txt"), 0o644},
		{"README.md", "README.md", 0o644},
		{"CHANGELOG.md", "CHANGELOG.md", 0o644},
	}
	globs := map[string]string{
		"man/man1":    r.in("man", "*.1"),
		"completions": r.in("completions", "*"),
		"docs":        "docs/*.md",
	}
	if t.os == "linux" {
		globs["systemd"] = "docs/systemd/codexauth.*"
		globs["systemd/user"] = "docs/systemd/user/codexauth.*"
	}
	for dir, glob := range globs {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no %s: %w", glob, err)
		}
		for _, f := range files {
			all = append(all, content{dir + "/" + filepath.Base(f), f, 0o644})
		}
	}
	slices.SortFunc(all, func(a, b content) int { return strings.Compare(a.at, b.at) })
	return all, nil
}

func (r *release) archive(t target) string {
	if t.os == "windows" {
		return r.file(t.os + "_" + t.arch + ".zip")
	}
	return r.file(t.os + "_" + t.arch + ".tar.gz")
}

func (r *release) archives() error {
	for _, t := range r.targets {
		all, err := r.contents(t)
		if err != nil {
			return err
		}
		top := "codexauth_" + r.version + "_" + t.os + "_" + t.arch + "/"
		write := r.tarball
		if t.os == "windows" {
			write = r.zip
		}
		if err := write(r.archive(t), top, all); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) tarball(path, top string, all []content) error {
	var packed bytes.Buffer
	tw := tar.NewWriter(&packed)
	for _, c := range all {
		data, err := os.ReadFile(c.from)
		if err != nil {
			return err
		}
		err = tw.WriteHeader(&tar.Header{Name: top + c.at, Mode: int64(c.mode), Size: int64(len(data)), ModTime: r.when, Format: tar.FormatUSTAR})
		if err != nil {
			return err
		}
		if _, err := tw.Write(data); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, gzipped(packed.Bytes()), 0o644)
}

func (r *release) zip(path, top string, all []content) error {
	var packed bytes.Buffer
	zw := zip.NewWriter(&packed)
	for _, c := range all {
		data, err := os.ReadFile(c.from)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: top + c.at, Method: zip.Deflate, Modified: r.when}
		h.SetMode(c.mode)
		w, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// gzipped has no name and no time in it.
func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // there is such a level
	}
	// A buffer takes everything.
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// checksums writes SHA256SUMS, as sha256sum -c reads it.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		s, err := sum(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", s, e.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(text.String()), 0o644)
}
