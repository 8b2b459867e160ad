package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// uid is the user of the image, by the number that is usual for nobody in particular.
const uid = 65532

// A layout is an OCI layout: blobs by the hash of what is in them.
type layout struct{ blobs map[string][]byte }

// write packs the layout into one file.
func (l *layout) write(s settings, top descriptor) error {
	t := newTar(s.when)
	t.file("oci-layout", 0o644, 0, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	text, err := json.Marshal(index{2, mediaIndex, []descriptor{top}})
	if err != nil {
		return err
	}
	t.file("index.json", 0o644, 0, text)
	t.dir("blobs", 0o755, 0)
	t.dir("blobs/sha256", 0o755, 0)
	for _, name := range slices.Sorted(maps.Keys(l.blobs)) {
		t.file("blobs/sha256/"+name, 0o644, 0, l.blobs[name])
	}
	packed, err := t.end()
	if err != nil {
		return err
	}
	return os.WriteFile(s.out, packed, 0o644)
}

// rootTar is all that a container sees.
func rootTar(s settings, program string) ([]byte, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	licences, err := os.ReadFile(s.licences)
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile("../../LICENSE")
	if err != nil {
		return nil, err
	}
	t := newTar(s.when)
	for _, dir := range []string{"etc", "etc/ssl", "etc/ssl/certs", "home", "usr", "usr/bin", "usr/share", "usr/share/doc", "usr/share/doc/codexauth", "var", "var/lib"} {
		t.dir(dir, 0o755, 0)
	}
	t.dir("home/codexauth", 0o700, uid)
	t.dir("var/lib/codexauth", 0o700, uid)
	t.dir("tmp", 0o1777, 0)
	t.file("etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0:root:/:/usr/bin/codexauth\ncodexauth:x:%d:%d:codexauth:/home/codexauth:/usr/bin/codexauth\n", uid, uid))
	t.file("etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\ncodexauth:x:%d:\n", uid))
	t.file("etc/ssl/certs/ca-certificates.crt", 0o644, 0, authorities())
	t.file("usr/bin/codexauth", 0o755, 0, binary)
	t.file("usr/share/doc/codexauth/LICENSE", 0o644, 0, licence)
	t.file("usr/share/doc/codexauth/THIRD-PARTY-LICENSES.txt", 0o644, 0, licences)
	return t.end()
}

// authorities are Mozilla's, less those that it trusts for a part of the world only:
// a file of certificates can't say which.
func authorities() []byte {
	var b strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		fmt.Fprintf(&b, "%s", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
	}
	return []byte(b.String())
}

// A tarball has one time, and remembers its first error.
type tarball struct {
	buf  bytes.Buffer
	tw   *tar.Writer
	when time.Time
	err  error
}

func newTar(when time.Time) *tarball {
	t := &tarball{when: when}
	t.tw = tar.NewWriter(&t.buf)
	return t
}

func (t *tarball) add(h tar.Header, data []byte) {
	if t.err != nil {
		return
	}
	h.ModTime, h.Format, h.Size = t.when, tar.FormatUSTAR, int64(len(data))
	if t.err = t.tw.WriteHeader(&h); t.err == nil {
		_, t.err = t.tw.Write(data)
	}
}

func (t *tarball) dir(name string, mode int64, owner int) {
	t.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner}, nil)
}

func (t *tarball) file(name string, mode int64, owner int, data []byte) {
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Uid: owner, Gid: owner}, data)
}

func (t *tarball) end() ([]byte, error) {
	if t.err == nil {
		t.err = t.tw.Close()
	}
	return t.buf.Bytes(), t.err
}

// gzipped has no name and no time in it.
func gzipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
