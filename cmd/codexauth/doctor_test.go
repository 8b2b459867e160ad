package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
	"codexauth/store/file"
)

// allChecks are the names that docs/doctor.md promises.
var allChecks = []string{
	"settings", "store", "store_private", "store_writable", "store_file_system", "claim", "sealing", "profiles",
	"login", "refresh", "back_off", "rescue_files", "rescue_places",
	"proxy", "certificates", "issuer", "clock", "backend", "ports",
	"codex_login", "codex_config", "other_holders", "program", "processes", "temporary",
}

// The states of a check.
const (
	isSkipped = "skipped"
	isOK      = "ok"
	isWarning = "warning"
	isProblem = "problem"
)

// A checkLine is a check in a report.
type checkLine struct {
	Name   string  `json:"name"`
	State  string  `json:"state"`
	Detail string  `json:"detail"`
	Remedy *string `json:"remedy"`
}

// A report is what `doctor --json` prints.
type report struct {
	Checks []checkLine `json:"checks"`
	State  string      `json:"state"`
}

func (r report) check(t *testing.T, name string) checkLine {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c checkLine) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return r.Checks[i]
}

// want wants a check to be in this state and its line or remedy to say the texts.
func (r report) want(t *testing.T, name, state string, texts ...string) {
	t.Helper()
	c := r.check(t, name)
	said := c.Detail
	if c.Remedy != nil {
		said += " -> " + *c.Remedy
	}
	if c.State != state {
		t.Errorf("%s is %s, want %s; it says %q", name, c.State, state, said)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%s does not say %q: %q", name, text, said)
		}
	}
}

// doctor runs `codexauth doctor --json` as a process and makes sure that it
// changed nothing in the person's home, sent no token and told no secret.
func (b *box) doctor(t *testing.T, args ...string) report {
	t.Helper()
	before, counted := treeOf(t, filepath.Dir(b.home)), b.server.Counters()
	r := b.run(t, append([]string{"doctor", "--json"}, args...)...)
	if after := treeOf(t, filepath.Dir(b.home)); after != before {
		t.Errorf("doctor changed something: before\n%safter\n%s", before, after)
	}
	if now := b.server.Counters(); now.TokenRequests != counted.TokenRequests || now.Revocations != counted.Revocations {
		t.Error("doctor asked the token endpoint")
	}
	for _, secret := range secretsIn(b.home) {
		if strings.Contains(r.stdout, secret) {
			t.Error("doctor shows a token")
		}
	}
	var rep report
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		t.Fatalf("exit %d, %v; it said %q and %q", r.code, err, r.stdout, r.stderr)
	}
	if wantCode := map[string]int{isProblem: verdict.Failed}[rep.State]; r.code != wantCode || r.stderr != "" {
		t.Errorf("exit %d and state %s; it said %q", r.code, rep.State, r.stderr)
	}
	for i, c := range rep.Checks {
		if i >= len(allChecks) || c.Name != allChecks[i] {
			t.Errorf("check %d is %q", i, c.Name)
		}
		if (c.State == isProblem || c.State == isWarning) && c.Remedy == nil {
			t.Errorf("%s is %s and says nothing of what to do: %q", c.Name, c.State, c.Detail)
		}
	}
	return rep
}

// treeOf is everything that stands below dir: names, modes, times and contents.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := []byte{}
		if info.Mode().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %v %v %q\n", path, info.Mode(), info.ModTime(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// env gives variables to the commands of a box.
func (b *box) setenv(variables ...string) { b.env = append(b.env, variables...) }

func (b *box) record(profile string) string { return filepath.Join(b.home, "record-"+profile) }

// newPatient is a box with a login that works.
func newPatient(t *testing.T) *box {
	t.Helper()
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	return b
}

func TestDoctorOfAGoodLogin(t *testing.T) {
	t.Parallel()
	b := newPatient(t)
	rep := b.doctor(t)
	for _, name := range allChecks {
		if name != "program" { // a test's is in a temporary place
			rep.want(t, name, isOK)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("a temporary place is a warning where others have one, too")
	}
	rep.want(t, "program", isWarning, "temporary")
	rep.want(t, "store", isOK, "file:"+b.home, "1 profile")
	rep.want(t, "login", isOK, "dev@sandbox.test", "in 60 minutes")
	if rep.State != isWarning {
		t.Errorf("the state is %s", rep.State)
	}

	r := b.run(t, "doctor")
	if r.code != verdict.Done || !strings.Contains(r.stdout, "\nok       login              dev@sandbox.test") || r.stderr != "no problems, 1 warning.\n" {
		t.Errorf("exit %d: %q, %q", r.code, r.stdout, r.stderr)
	}
}

// Nobody has signed in yet: nothing is made, and what to do is said.
func TestDoctorOfNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t, sandbox.Config{})
	rep := b.doctor(t)
	rep.want(t, "store", isOK, "no profiles")
	rep.want(t, "store_writable", isOK, "will be made")
	rep.want(t, "login", isProblem, "run `codexauth login`")
	rep.want(t, "refresh", isSkipped)
	b.doctor(t, "--profile", "work").want(t, "login", isProblem, "codexauth --profile work login")
	r := b.run(t, "doctor")
	if r.code != verdict.Failed || !strings.Contains(r.stdout, "problem  login") || !strings.Contains(r.stdout, "\n                            -> run `codexauth login`\n") {
		t.Errorf("exit %d: %q", r.code, r.stdout)
	}
	wantFailure(t, b.run(t, "doctor", "now"), verdict.Usage)
	wantFailure(t, b.run(t, "doctor", "--store", "nonsense:x"), verdict.Usage)
	wantFailure(t, b.run(t, "doctor", "--issuer", "http://elsewhere.example"), verdict.Usage)
}

// What is broken is found, and nothing else is blamed for it.
func TestDoctorFinds(t *testing.T) {
	tests := map[string]struct {
		prepare      func(t *testing.T, b *box)
		check, state string
		says         []string
	}{
		"an open directory": {func(t *testing.T, b *box) { chmod(t, b.home, 0o755) },
			"store_private", isProblem, []string{"mode 0755", "chmod 700"}},
		"an open record": {func(t *testing.T, b *box) { chmod(t, b.record("default"), 0o644) },
			"store_private", isProblem, []string{"mode 0644", "chmod 600"}},
		"a place that others can swap": {func(t *testing.T, b *box) { chmod(t, filepath.Dir(b.home), 0o777) },
			"store_private", isWarning, []string{"every user"}},
		"a file in the store's place": {func(t *testing.T, b *box) {
			os.RemoveAll(b.home)
			write(t, b.home, "")
		}, "store_private", isProblem, []string{"not a directory"}},
		"a damaged record": {func(t *testing.T, b *box) { write(t, b.record("default"), "codexauth-record v1 json 5 x\nx") },
			"login", isProblem, []string{"damaged", "login --force"}},
		"a damaged neighbour": {func(t *testing.T, b *box) { write(t, b.record("work"), "") },
			"profiles", isWarning, []string{"default valid", "work damaged", "--profile work doctor"}},
		"a refused login in its list": {func(t *testing.T, b *box) {
			b.setFaults(t, "refuse=refresh_token_expired")
			b.run(t, "refresh")
		}, "profiles", isWarning, []string{"default refused", "the check login"}},
		"a held claim": {func(t *testing.T, b *box) { claim(t, b.home) },
			"claim", isWarning, []string{fmt.Sprintf("process %d", os.Getpid()), "run this again"}},
		"an expired token": {func(t *testing.T, b *box) {
			b.server.SetAccessTTL(-time.Hour)
			b.signIn(t, "default")
		}, "login", isOK, []string{"expired", "`codexauth token` refreshes it"}},
		"a refused login": {func(t *testing.T, b *box) {
			b.setFaults(t, "refuse=refresh_token_expired")
			b.run(t, "refresh")
		}, "login", isProblem, []string{"refresh_token_expired", "run `codexauth login`"}},
		"another issuer's login": {func(t *testing.T, b *box) { b.setenv("CODEXAUTH_CLIENT_ID=other") },
			"login", isProblem, []string{"another login is stored here", "--client-id"}},
		"a lost answer": {func(t *testing.T, b *box) {
			b.setFaults(t, "drop-after")
			b.run(t, "refresh")
		}, "refresh", isWarning, []string{"process ", "tries the same token once more"}},
		"a back-off": {func(t *testing.T, b *box) {
			b.setFaults(t, "rate-limit=600")
			b.run(t, "refresh")
		}, "back_off", isWarning, []string{"429", "in 10 minutes", "nothing to do"}},
		"a rescue file": {func(t *testing.T, b *box) { rescue(t, b, "") },
			"rescue_files", isWarning, []string{"a new token that the store did not take waits", "codexauth refresh"}},
		"an unreadable rescue file": {func(t *testing.T, b *box) { rescue(t, b, "garbage") },
			"rescue_files", isProblem, []string{"can't be read", "keep the file"}},
		"an overtaken rescue file": {func(t *testing.T, b *box) {
			rescue(t, b, "")
			b.run(t, "refresh") // picks it up
			rescued := rescue(t, b, "")
			b.run(t, "refresh")
			next := contentOf(t, b.record("default"))
			write(t, rescued, next)
		}, "rescue_files", isWarning, []string{"does not follow", "nothing to do"}},
		"another login's rescue file": {func(t *testing.T, b *box) {
			rescue(t, b, "")
			b.signIn(t, "default")
		}, "rescue_files", isWarning, []string{"of another login", "remove the file"}},
		"an open rescue place": {func(t *testing.T, b *box) { chmod(t, filepath.Dir(rescue(t, b, "")), 0o755) },
			"rescue_places", isWarning, []string{"open to other users", "chmod 700"}},
		"no temporary directory": {func(t *testing.T, b *box) { b.setenv("TMPDIR=/no/such/place") },
			"temporary", isWarning, []string{"TMPDIR"}},
		"a clock that is off": {func(t *testing.T, b *box) { b.server.SetClockOffset(time.Hour) },
			"clock", isWarning, []string{"behind", "nothing corrects for it yet", "NTP"}},
		"a clock that is corrected for": {func(t *testing.T, b *box) {
			b.server.SetClockOffset(-time.Hour)
			b.run(t, "refresh")
		}, "clock", isWarning, []string{"ahead of", "corrected for"}},
		"a correction that is out of date": {func(t *testing.T, b *box) {
			b.server.SetClockOffset(time.Hour)
			b.run(t, "refresh")
			b.server.SetClockOffset(0)
		}, "clock", isWarning, []string{"still added"}},
		"a server that is gone": {func(t *testing.T, b *box) { b.server.Close() },
			"issuer", isProblem, []string{"connection refused", "HTTPS_PROXY"}},
		"a backend in trouble": {func(t *testing.T, b *box) { b.setFaults(t, "backend-status=503") },
			"backend", isWarning, []string{"503"}},
		"no certificates": {func(t *testing.T, b *box) {
			b.setenv("CODEXAUTH_CA_FILE=" + write(t, filepath.Join(t.TempDir(), "ca"), "x"))
		},
			"certificates", isProblem, []string{"no certificate"}},
		"a missing SSL_CERT_FILE": {func(t *testing.T, b *box) { b.setenv("SSL_CERT_FILE=/no/such/file") },
			"certificates", isProblem, []string{"SSL_CERT_FILE"}},
		"an empty SSL_CERT_FILE": {func(t *testing.T, b *box) {
			b.setenv("SSL_CERT_FILE=" + write(t, filepath.Join(t.TempDir(), "ca"), "x"))
		},
			"certificates", isProblem, []string{"no certificate"}},
		"a missing SSL_CERT_DIR": {func(t *testing.T, b *box) { b.setenv("SSL_CERT_DIR=/no/such/dir") },
			"certificates", isProblem, []string{"SSL_CERT_DIR"}},
		"a key for nothing": {func(t *testing.T, b *box) { b.setenv("CODEXAUTH_IDENTITY_FILE=" + newKey(t, b)) },
			"sealing", isWarning, []string{"still in plain text", "store reseal --to"}},
		"a sealed login without its key": {func(t *testing.T, b *box) { b.run(t, "store", "reseal", "--to", newKey(t, b)) },
			"sealing", isProblem, []string{"no key was named", "--identity-file"}},
		"a sealed login with its key": {func(t *testing.T, b *box) {
			key := newKey(t, b)
			b.run(t, "store", "reseal", "--to", key)
			b.setenv("CODEXAUTH_IDENTITY_FILE=" + key)
		}, "sealing", isOK, []string{"opens it"}},
		"a sealed login with another key": {func(t *testing.T, b *box) {
			b.run(t, "store", "reseal", "--to", newKey(t, b))
			b.setenv("CODEXAUTH_IDENTITY_FILE=" + newKey(t, b))
		}, "sealing", isProblem, []string{"another key", "--identity-file"}},
		"a passphrase": {func(t *testing.T, b *box) {
			b.run(t, "store", "reseal", "--to", newKey(t, b))
			b.setenv("CODEXAUTH_IDENTITY_FILE=prompt")
		}, "sealing", isSkipped, []string{"never prompts"}},
	}
	ofUnix := []string{
		"an open directory", "an open record", "a place that others can swap", "an open rescue place", "no temporary directory",
		"a missing SSL_CERT_FILE", "an empty SSL_CERT_FILE", "a missing SSL_CERT_DIR",
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && slices.Contains(ofUnix, name) {
				t.Skip("modes, TMPDIR and SSL_CERT_FILE are Unix's")
			}
			t.Parallel()
			b := newPatient(t)
			tt.prepare(t, b)
			b.doctor(t).want(t, tt.check, tt.state, tt.says...)
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newKey(t *testing.T, b *box) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if r := b.run(t, "store", "keygen", path); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return path
}

// claim holds the claim of the default profile until the test ends.
func claim(t *testing.T, home string) {
	t.Helper()
	store, err := file.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.Claim(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release() })
}

// rescue puts the successor of what is stored, or other content, into a rescue
// file, as if the store had not taken it. It returns the file's path.
func rescue(t *testing.T, b *box, content string) string {
	t.Helper()
	old := contentOf(t, b.record("default"))
	b.run(t, "refresh")
	next := contentOf(t, b.record("default"))
	write(t, b.record("default"), old)
	dir := filepath.Join(filepath.Dir(b.home), ".cache", "codexauth-rescue")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if content == "" {
		content = next
	}
	return write(t, filepath.Join(dir, "37a8eec1ce19687d-TEST.record"), content) // SHA-256 of "default"
}

func TestDoctorOfProxySettings(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.setenv("CODEXAUTH_ISSUER=https://issuer.example", "HTTPS_PROXY=http://me:s3cret@127.0.0.1:1", "NO_PROXY=internal.example")
	b.doctor(t).want(t, "proxy", isOK, "issuer.example is asked through http://127.0.0.1:1 (NO_PROXY is set)")
	b.setenv("HTTPS_PROXY=http://me:s3cret@[::1")
	rep := b.doctor(t)
	rep.want(t, "proxy", isProblem, "is invalid", "unset it")
	rep.want(t, "issuer", isProblem, "is invalid")
	b.setenv("HTTPS_PROXY=", "ALL_PROXY=socks5://127.0.0.1:1", "CODEXAUTH_ISSUER=https://127.0.0.1:1")
	b.doctor(t).want(t, "proxy", isWarning, "ALL_PROXY is set, which is ignored")
}
