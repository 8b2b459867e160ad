package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// nfpm makes the packages. It is a tool: nothing of it is linked into anything here.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

// A pkg is what nfpm reads, which takes JSON for the YAML that it is.
type pkg struct {
	Name        string            `json:"name"`
	Arch        string            `json:"arch"`
	Platform    string            `json:"platform"`
	Version     string            `json:"version"`
	Schema      string            `json:"version_schema"`
	Release     string            `json:"release"`
	Section     string            `json:"section"`
	Priority    string            `json:"priority"`
	Maintainer  string            `json:"maintainer"`
	Description string            `json:"description"`
	Vendor      string            `json:"vendor"`
	Homepage    string            `json:"homepage"`
	Licence     string            `json:"license"`
	Time        string            `json:"mtime"`
	Recommends  []string          `json:"recommends,omitempty"`
	Contents    []packed          `json:"contents"`
	Scripts     map[string]string `json:"scripts,omitempty"`
	RPM         map[string]string `json:"rpm"`
}

type packed struct {
	From string   `json:"src"`
	At   string   `json:"dst"`
	Info fileInfo `json:"file_info"`
}

type fileInfo struct {
	Mode  int    `json:"mode"`
	Owner string `json:"owner"`
	Group string `json:"group"`
	Time  string `json:"mtime"`
}

// packages makes a deb, an rpm and an apk for each kind of Linux machine.
func (r *release) packages() error {
	if err := r.installedUnits(); err != nil {
		return err
	}
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		for _, kind := range []string{"deb", "rpm", "apk"} {
			if err := r.packageOf(kind, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *release) packageOf(kind string, t target) error {
	contents, err := r.packed(kind, t)
	if err != nil {
		return err
	}
	at := r.when.Format(time.RFC3339)
	p := pkg{
		Name: r.config["name"], Arch: t.arch, Platform: "linux", Version: r.version, Schema: "semver", Release: "1",
		Section: "utils", Priority: "optional", Maintainer: r.config["maintainer"],
		Description: r.config["summary"] + "\n" + r.config["description"],
		Vendor:      r.config["publisher"], Homepage: r.config["home"], Licence: r.config["licence"],
		Time: at, Contents: contents, RPM: map[string]string{"buildhost": "localhost", "group": "Applications/Internet"},
	}
	if kind == "deb" {
		p.Recommends = []string{"ca-certificates"}
	}
	if kind != "apk" {
		p.Scripts = map[string]string{"postinstall": "release/packaging/postinstall.sh", "preremove": "release/packaging/preremove.sh"}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	config := r.in(kind + "-" + t.arch + ".yaml")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "run", nfpm, "package", "--config", config, "--packager", kind, "--target", r.out)
	cmd.Env = append(os.Environ(), "GOOS=", "GOARCH=")
	_, err = output(cmd)
	return err
}

// packed are the files of a package.
func (r *release) packed(kind string, t target) ([]packed, error) {
	zsh := "/usr/share/zsh/site-functions/_codexauth"
	if kind == "deb" {
		zsh = "/usr/share/zsh/vendor-completions/_codexauth"
	}
	const doc = "/usr/share/doc/codexauth/"
	all := []content{
		{"/usr/bin/codexauth", r.program(t), 0o755},
		{"/usr/share/bash-completion/completions/codexauth", r.in("completions", "codexauth.bash"), 0o644},
		{zsh, r.in("completions", "_codexauth"), 0o644},
		{"/usr/share/fish/vendor_completions.d/codexauth.fish", r.in("completions", "codexauth.fish"), 0o644},
		{doc + "copyright", "LICENSE", 0o644},
		{doc + "THIRD-PARTY-LICENSES.txt", r.in("licences.txt"), 0o644},
		{doc + "README.md", "README.md", 0o644},
		{doc + "CHANGELOG.md", "CHANGELOG.md", 0o644},
	}
	pages, err := filepath.Glob(r.in("man", "*.gz"))
	if err != nil || len(pages) == 0 {
		return nil, fmt.Errorf("no manual pages: %w", err)
	}
	for _, page := range pages {
		all = append(all, content{"/usr/share/man/man1/" + filepath.Base(page), page, 0o644})
	}
	if kind != "apk" { // whose systems have no systemd
		all = append(all, content{"/usr/lib/sysusers.d/codexauth.conf", "release/packaging/sysusers.conf", 0o644})
		for _, unit := range units {
			all = append(all, content{"/usr/lib/systemd/" + unit, r.in("systemd", unit), 0o644})
		}
	}
	var files []packed
	for _, c := range all {
		files = append(files, packed{c.from, c.at, fileInfo{int(c.mode), "root", "root", r.when.Format(time.RFC3339)}})
	}
	return files, nil
}

var units = []string{"system/codexauth.service", "system/codexauth.socket", "user/codexauth.service", "user/codexauth.socket"}

// installedUnits are the units of docs/systemd with the program where a package
// puts it.
func (r *release) installedUnits() error {
	for _, unit := range units {
		text, err := os.ReadFile(filepath.Join("docs/systemd", strings.TrimPrefix(unit, "system/")))
		if err != nil {
			return err
		}
		here := strings.NewReplacer("=/usr/local/bin/codexauth", "=/usr/bin/codexauth", "=%h/go/bin/codexauth", "=/usr/bin/codexauth").Replace(string(text))
		if strings.HasSuffix(unit, ".service") && !strings.Contains(here, "ExecStart=/usr/bin/codexauth serve") {
			return fmt.Errorf("%s starts codexauth from an unknown place", unit)
		}
		if err := os.MkdirAll(filepath.Dir(r.in("systemd", unit)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(r.in("systemd", unit), []byte(here), 0o644); err != nil {
			return err
		}
	}
	return nil
}
