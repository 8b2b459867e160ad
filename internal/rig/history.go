package rig

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// BeforeRound is the last commit of which binaries wrote records without the fields
// that protect a login today. They may still run beside this version.
const BeforeRound = "61ab715"

// noHistory is the file that says why an older version could not be built.
const noHistory = "no-history"

// NoHistory is why the older programs are missing, or "".
func (r *Run) NoHistory() string {
	why, err := os.ReadFile(filepath.Join(r.dir, noHistory))
	if err != nil {
		return ""
	}
	return string(why)
}

// sourceOf unpacks the source of a commit, once, and returns its directory.
func (r *Run) sourceOf(commit string) (string, error) {
	dir := filepath.Join(r.dir, "source-"+commit)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	var said bytes.Buffer
	cmd := exec.Command("git", "archive", "--format=tar", commit)
	cmd.Stderr = &said
	archive, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("the history has no commit %s: %w: %s", commit, err, bytes.TrimSpace(said.Bytes()))
	}
	return dir, unpack(archive, dir)
}

// unpack writes the directories and files of an archive below dir.
func unpack(archive []byte, dir string) error {
	root, err := openNew(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for files := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeDir {
			err = root.MkdirAll(filepath.Clean(h.Name), 0o700)
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = writeTo(root, h.Name, files)
		}
		if err != nil {
			return err
		}
	}
}

func openNew(dir string) (*os.Root, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

func writeTo(root *os.Root, name string, from io.Reader) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
