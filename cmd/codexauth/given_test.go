package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/sandbox"
)

// The certificate authority that is named is trusted by every way to sign in, and by
// what follows.
func TestCAFileReachesEveryConnection(t *testing.T) {
	b := newBox(t, sandbox.Config{NoDiscovery: true, DeviceInterval: time.Second})
	behind, err := url.Parse(b.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var front *httptest.Server
	front = httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		body, _ := io.ReadAll(r.In.Body) // what is cut short is refused behind
		body = bytes.ReplaceAll(body, []byte(url.QueryEscape(front.URL)), []byte(url.QueryEscape(behind.String())))
		r.Out.Body, r.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}})
	defer front.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "CODEXAUTH_ISSUER="+front.URL)
	wantFailure(t, b.device(t, true), verdict.TryLater, "certificate")
	if r := b.device(t, true, "--ca-file", ca); r.code != verdict.Done {
		t.Fatalf("login --device: exit %d: %s", r.code, r.stderr)
	}
	b.env = append(b.env, "CODEXAUTH_CA_FILE="+ca)
	for _, args := range [][]string{{"refresh"}, {"logout"}} {
		if r := b.run(t, args...); r.code != verdict.Done {
			t.Errorf("%q: exit %d: %s", args, r.code, r.stderr)
		}
	}
	if r := b.device(t, true); r.code != verdict.Done {
		t.Errorf("login --device with the variable: exit %d: %s", r.code, r.stderr)
	}
}

// What is not text does not survive the way to a child or into settings.
func TestNamesThatAreNotText(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a system whose arguments and paths are bytes")
	}
	b := newBox(t, sandbox.Config{})
	for _, args := range [][]string{
		{"--profile", "a\xff"}, {"--store", "file:" + b.home + "\xff"}, {"--ca-file", "x\xff"}, {"--identity-file", "k\xff"},
	} {
		wantFailure(t, b.run(t, append(args, "login", "--no-browser")...), verdict.Usage, "not UTF-8")
	}
	b.env = append(b.env, "CODEXAUTH_HOME="+b.home+"\xff")
	wantFailure(t, b.run(t, "login", "--no-browser"), verdict.Usage, "not UTF-8")
}

// A command in a hint is about the same login.
func TestHintRepeatsWhatWasGiven(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	dir := t.TempDir() + "/my logins"
	r := b.run(t, "--store", "file:"+dir, "--issuer", b.server.URL(), "--profile", "w", "token")
	want := "`codexauth --profile w --store " + cleantext.ShellWord("file:"+dir) + " --issuer " + b.server.URL() + " login`"
	if r.code != verdict.SignedOut || !strings.Contains(r.stderr, want) {
		t.Errorf("exit %d: %s\nwant %s", r.code, r.stderr, want)
	}
}

func TestTokenThatDoesNotLastLongEnough(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: time.Hour})
	b.signIn(t, "default")
	r := b.run(t, "token", "--min-valid", "3h")
	if r.code != verdict.Done || !strings.Contains(r.stderr, "less than the 3h0m0s of --min-valid") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	r = b.run(t, "token", "--min-valid", "3h", "--require-valid")
	wantFailure(t, r, verdict.Failed, "less than the 3h0m0s")
	if r = b.run(t, "token", "--min-valid", "10m", "--require-valid"); r.code != verdict.Done || r.stderr != "" {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

func TestVersionFlagAndHelpForNothing(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	if one, other := b.run(t, "--version"), b.run(t, "version"); one.code != verdict.Done || one.stdout != other.stdout || one.stdout == "" {
		t.Errorf("exit %d: %q, %q", one.code, one.stdout, other.stdout)
	}
	wantFailure(t, b.run(t, "help", "nosuch"), verdict.Usage, "nosuch")
	if r := b.run(t, "help", "serve", "key", "add"); r.code != verdict.Done || !strings.Contains(r.stdout, "--lease") {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
}
