package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// openedPage starts `codexauth serve open` and returns its link.
func (b *box) openedPage(t *testing.T, args ...string) (link string, cmd *exec.Cmd, said *strings.Builder) {
	t.Helper()
	cmd, said = b.command(append([]string{"--json", "serve", "open"}, args...)...), new(strings.Builder)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	var answer struct{ Link string }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &answer) != nil {
		t.Fatalf("it said %q, %v: %s", line, err, said)
	}
	return answer.Link, cmd, said
}

// atHome is the box itself, where it finds the server by its socket.
func (b *box) atHome(t *testing.T, s *served, address string) *box {
	if s.Socket == "" {
		return b.client(t, address)
	}
	return b
}

// A browser that opens the link sees the page of the server on the socket, or of one
// that is asked with a key, until the command ends; a second one sees nothing.
func TestServeOpen(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	s, socket, tcp := newServed(t, b)
	lease, plain := b.addKey(t, "leaser", "--lease"), b.addKey(t, "plain")
	becomes(t, "the key", verdict.Done, func() int { return b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+lease).run(t, "token").code })
	for name, c := range map[string]*box{"socket": b.atHome(t, s, socket), "key": b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+lease)} {
		t.Run(name, func(t *testing.T) {
			link, cmd, said := c.openedPage(t)
			jar, _ := cookiejar.New(nil)
			for i, want := range []string{"All is well: the login is valid.", "This link can&#39;t be used"} {
				hc := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
				resp, err := hc.Get(link)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if !strings.Contains(string(text), want) || strings.Contains(string(text), b.stored(t).AccessToken) {
					t.Errorf("%d: %s: %s", i, resp.Status, text)
				}
			}
			if err := stop(cmd); err != nil {
				t.Errorf("%v: %s", err, said)
			}
			if _, err := http.Get(link); err == nil {
				t.Error("it still answers")
			}
			_, secret, _ := strings.Cut(link, "/open/")
			if strings.Contains(said.String(), secret) {
				t.Errorf("it tells the link to a log: %s", said)
			}
		})
	}
	wantFailure(t, b.atHome(t, s, socket).run(t, "serve", "open", "--listen", "0.0.0.0:0"), verdict.Usage, "ssh -L")
	wantFailure(t, b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+plain).run(t, "serve", "open"), verdict.Usage)
	s.stop(t)
	if log := s.stderr.String(); strings.Contains(log, "/open/") {
		t.Errorf("the server's log: %s", log)
	}
	wantFailure(t, b.atHome(t, s, socket).run(t, "serve", "open"), verdict.TryLater, "does not answer", "serve")
}

// At a desktop the browser is started with the link.
func TestServeOpenStartsABrowser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the browser would be left in mid-visit: a process can't be asked to stop there")
	}
	b := newBox(t, sandbox.Config{})
	newServed(t, b)
	cmd := b.command("serve", "open")
	cmd.Env = append(cmd.Env, "BROWSER=person-auto")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var lines []string
	for scan := bufio.NewScanner(said); scan.Scan(); {
		if lines = append(lines, scan.Text()); strings.Contains(scan.Text(), "The page is open") {
			break
		}
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "Opening your browser") || !strings.Contains(text, "The page is open") {
		t.Errorf("it said %s", text)
	}
	if err := stop(cmd); err != nil {
		t.Error(err)
	}
}
