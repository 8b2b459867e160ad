// Command image writes an OCI image of codexauth as one file, an OCI layout in a tar,
// for several kinds of machine. It needs no daemon. There is no distribution in the
// image: the program, certificate authorities, the names of its user, and folders.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type settings struct {
	version, licences, title, summary, out string
	when                                   time.Time
}

func run() error {
	var s settings
	var seconds int64
	flag.StringVar(&s.version, "version", "", "`VERSION` of the release")
	flag.StringVar(&s.licences, "licences", "", "`FILE` of the licences of what is linked in")
	flag.StringVar(&s.title, "title", "codexauth", "`NAME` of the image")
	flag.StringVar(&s.summary, "summary", "", "what it is, in a `LINE`")
	flag.StringVar(&s.out, "out", "", "`FILE` to write")
	flag.Int64Var(&seconds, "time", 0, "`SECONDS` since 1970 of everything in it")
	flag.Parse()
	s.when = time.Unix(seconds, 0).UTC()
	l := &layout{blobs: map[string][]byte{}}
	var manifests []descriptor
	for _, arg := range flag.Args() {
		arch, program, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCH=PROGRAM", arg)
		}
		m, err := l.add(s, arch, program)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	index := l.put(mediaIndex, index{2, mediaIndex, manifests})
	index.Annotations = map[string]string{"org.opencontainers.image.ref.name": s.version}
	return l.write(s, index)
}

const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// The parts of the OCI image format that are used here.
type (
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Platform    *platform         `json:"platform,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Variant      string `json:"variant,omitempty"`
	}
	index struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}
	manifest struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Annotations   map[string]string `json:"annotations"`
	}
	config struct {
		Created string `json:"created"`
		platform
		Config  runConfig `json:"config"`
		RootFS  rootFS    `json:"rootfs"`
		History []history `json:"history"`
	}
	runConfig struct {
		User       string              `json:"User"`
		Env        []string            `json:"Env"`
		Entrypoint []string            `json:"Entrypoint"`
		Cmd        []string            `json:"Cmd"`
		WorkingDir string              `json:"WorkingDir"`
		Volumes    map[string]struct{} `json:"Volumes"`
		StopSignal string              `json:"StopSignal"`
		Labels     map[string]string   `json:"Labels"`
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	history struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
	}
)

// add makes the image for one kind of machine.
func (l *layout) add(s settings, arch, program string) (descriptor, error) {
	plain, err := rootTar(s, program)
	if err != nil {
		return descriptor{}, err
	}
	packed, err := gzipped(plain)
	if err != nil {
		return descriptor{}, err
	}
	p := platform{Architecture: arch, OS: "linux"}
	if arch == "arm64" {
		p.Variant = "v8"
	}
	labels := map[string]string{
		"org.opencontainers.image.title":       s.title,
		"org.opencontainers.image.description": s.summary,
		"org.opencontainers.image.version":     s.version,
		"org.opencontainers.image.licenses":    "MIT",
	}
	created := s.when.Format(time.RFC3339)
	layer := l.putBytes(mediaLayer, packed)
	c := l.put(mediaConfig, config{
		Created: created, platform: p,
		Config: runConfig{
			User: fmt.Sprintf("%d:%d", uid, uid),
			Env: []string{
				"PATH=/usr/bin", "HOME=/home/codexauth",
				// A folder that codexauth makes: what a volume begins as is open to others.
				"CODEXAUTH_HOME=/var/lib/codexauth/login",
				// Where a new token goes that the store did not take: in the volume, too.
				"XDG_CACHE_HOME=/var/lib/codexauth/cache",
			},
			Entrypoint: []string{"/usr/bin/codexauth"}, Cmd: []string{"help"},
			WorkingDir: "/home/codexauth", Volumes: map[string]struct{}{"/var/lib/codexauth": {}},
			StopSignal: "SIGTERM", Labels: labels,
		},
		RootFS:  rootFS{"layers", []string{digest(plain)}},
		History: []history{{created, "codexauth " + s.version}},
	})
	m := l.put(mediaManifest, manifest{2, mediaManifest, c, []descriptor{layer}, labels})
	m.Platform = &p
	return m, nil
}

func (l *layout) put(mediaType string, v any) descriptor {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of text
	}
	return l.putBytes(mediaType, text)
}

func (l *layout) putBytes(mediaType string, data []byte) descriptor {
	d := digest(data)
	l.blobs[strings.TrimPrefix(d, "sha256:")] = bytes.Clone(data)
	return descriptor{MediaType: mediaType, Digest: d, Size: len(data)}
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }
