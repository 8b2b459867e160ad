package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
)

// image writes an OCI image for each kind of Linux machine. A module of its own does
// it, for the certificate authorities that come with that.
func (r *release) image() error {
	args := []string{"run", ".", "-version", r.version, "-time", strconv.FormatInt(r.when.Unix(), 10),
		"-licences", r.in("licences.txt"), "-title", r.config["name"], "-summary", r.config["summary"],
		"-out", r.file("image.tar")}
	found := false
	for _, t := range r.targets {
		if t.os == "linux" {
			args = append(args, t.arch+"="+r.program(t))
			found = true
		}
	}
	if !found {
		return nil
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("release", "image")
	_, err := output(cmd)
	return err
}
