package service

import (
	"encoding/binary"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"
)

// odd has everything in it that one of the formats takes for something else.
func odd() Spec {
	return Spec{
		Program: "/opt/my tools/codexauth", Socket: "/home/a %b/.local/state/codexauth/serve.sock", Listen: "127.0.0.1:8461",
		Args: []string{"--profile", `wo"r%k\ $HOME`, "--store", "postgres://me@db/x?a=1&b=<2>", "serve"},
		Env:  map[string]string{"XDG_CONFIG_HOME": `/home/a %b/"con$fig"`, "CODEXAUTH_CONFIG": "/dev/null"},
		Log:  "/Users/a & b/Library/Logs/codexauth.log", User: `DESKTOP\me & you`,
	}
}

// The units hold what they must, and nothing listens on TCP that was not asked for.
func TestUnits(t *testing.T) {
	files := odd().Units("/units")
	socket, service := string(files[0].Text), string(files[1].Text)
	for _, want := range []string{
		"ListenStream=/home/a %%b/.local/state/codexauth/serve.sock\n", "ListenStream=127.0.0.1:8461\n", "SocketMode=0600\n", "WantedBy=sockets.target\n",
	} {
		if !strings.Contains(socket, want) {
			t.Errorf("the socket lacks %q: %s", want, socket)
		}
	}
	for _, want := range []string{
		`ExecStart="/opt/my tools/codexauth" "--profile" "wo\"r%%k\\ $$HOME" "--store" "postgres://me@db/x?a=1&b=<2>" "serve"` + "\n",
		`Environment="XDG_CONFIG_HOME=/home/a %%b/\"con$fig\""` + "\n", "Type=notify\n", "KillMode=process\n", "NoNewPrivileges=yes\n", "Requires=codexauth.socket\n",
	} {
		if !strings.Contains(service, want) {
			t.Errorf("the service lacks %q: %s", want, service)
		}
	}
	for _, f := range files {
		if !Ours(f.Text) || filepath.Dir(f.Path) != filepath.FromSlash("/units") {
			t.Errorf("%s is not known again", f.Path)
		}
	}
	s := odd()
	s.Listen = ""
	if text := string(s.Units("/units")[0].Text); strings.Count(text, "ListenStream") != 1 || strings.Contains(text, "127.0.0.1") {
		t.Errorf("it listens where nobody asked: %s", text)
	}
}

// systemd takes the units as they are meant.
func TestUnitsAreVerifiedBySystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	s := odd()
	s.Program = filepath.Join(dir, "my tools", "codexauth") // verify wants it to be there
	if err := os.Mkdir(filepath.Dir(s.Program), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range s.Units(dir) {
		if err := os.WriteFile(f.Path, f.Text, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, f.Path)
	}
	cmd := exec.Command(analyze, append([]string{"verify", "--user", "--man=no"}, paths...)...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, Label+".") {
			t.Errorf("systemd says %s", line)
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// wellFormed wants XML that a parser reads to its end, and returns its texts.
func wellFormed(t *testing.T, text string) (texts []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if chars, ok := token.(xml.CharData); ok && strings.TrimSpace(string(chars)) != "" {
			texts = append(texts, string(chars))
		}
	}
}

func TestPropertyList(t *testing.T) {
	f := odd().PropertyList("/agents")
	all := strings.Join(wellFormed(t, string(f.Text)), "\n") + "\n"
	for _, want := range append(append([]string{odd().Program}, odd().Args...), "XDG_CONFIG_HOME", odd().Env["XDG_CONFIG_HOME"], odd().Log, "AbandonProcessGroup", Agent) {
		if !strings.Contains(all, want+"\n") {
			t.Errorf("it lacks %q", want)
		}
	}
	if !Ours(f.Text) || filepath.Base(f.Path) != Agent+".plist" {
		t.Error("it is not known again")
	}
	if plutil, err := exec.LookPath("plutil"); err == nil && runtime.GOOS == "darwin" {
		path := filepath.Join(t.TempDir(), "x.plist")
		if err := os.WriteFile(path, f.Text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(plutil, "-lint", path).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestTask(t *testing.T) {
	f := odd().Task("/tasks")
	if f.Text[0] != 0xff || f.Text[1] != 0xfe || !Ours(f.Text) {
		t.Fatal("it is not UTF-16, or not known again")
	}
	var units []uint16
	for i := 2; i < len(f.Text); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(f.Text[i:]))
	}
	all := strings.Join(wellFormed(t, string(utf16.Decode(units))), "\n") + "\n"
	for _, want := range []string{odd().Program, odd().User, "InteractiveToken", "LeastPrivilege", "PT0S", `--profile "wo\"r%k\ $HOME" --store postgres://me@db/x?a=1&b=<2> serve`} {
		if !strings.Contains(all, want+"\n") {
			t.Errorf("it lacks %q: %s", want, all)
		}
	}
}

func TestWindowsWords(t *testing.T) {
	for word, want := range map[string]string{
		"": `""`, "plain": "plain", `C:\a\b`: `C:\a\b`, `C:\a b\`: `"C:\a b\\"`, `say "hi"`: `"say \"hi\""`, `\"`: `"\\\""`,
	} {
		if got := windowsWord(word); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}
