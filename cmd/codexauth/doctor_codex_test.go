package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// authJSON is the official command line's login.
func authJSON(t *testing.T, access, refresh string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"auth_mode": "chatgpt", "OPENAI_API_KEY": nil, "last_refresh": "2026-01-01T00:00:00Z",
		"tokens": map[string]any{"id_token": access, "access_token": access, "refresh_token": refresh, "account_id": sandboxAccount(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sandboxAccount is the account of the sandbox's default user.
func sandboxAccount(t *testing.T) string {
	t.Helper()
	return sandbox.New(t, sandbox.Config{}).Issue(sandbox.User{}).AccountID
}

// codexHome is the official command line's directory, empty.
func codexHome(t *testing.T, b *box) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(b.home), ".codex")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// link makes a symbolic link, where this system has them. (Wine says that it does.)
func link(t *testing.T, target, path string) {
	t.Helper()
	err := os.Symlink(target, path)
	if info, statErr := os.Lstat(path); err != nil || statErr != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("no symbolic links here: ", err)
	}
}

func TestDoctorOfTheCodexLogin(t *testing.T) {
	foreign := func(t *testing.T) (access, refresh string) {
		tokens := sandbox.New(t, sandbox.Config{}).Issue(sandbox.User{})
		return tokens.AccessToken, tokens.RefreshToken
	}
	tests := map[string]struct {
		auth  func(t *testing.T, b *box) string
		mode  os.FileMode
		state string
		says  []string
	}{
		"our token": {func(t *testing.T, b *box) string {
			c := b.stored(t)
			return authJSON(t, c.AccessToken, c.RefreshToken)
		}, 0o600, isProblem, []string{"holds the refresh token of the login of profile default", "codexauth --profile default import"}},
		"a spent token of ours": {func(t *testing.T, b *box) string {
			c := b.stored(t)
			b.run(t, "refresh")
			return authJSON(t, c.AccessToken, c.RefreshToken)
		}, 0o600, isProblem, []string{"spent refresh token"}},
		"another profile's token": {func(t *testing.T, b *box) string {
			b.signIn(t, "work")
			c, err := storedIn(b.record("work"))
			if err != nil {
				t.Fatal(err)
			}
			return authJSON(t, c.AccessToken, c.RefreshToken)
		}, 0o600, isProblem, []string{"of profile work", "--profile work import"}},
		"the same account by itself": {func(t *testing.T, b *box) string {
			access, refresh := foreign(t)
			return authJSON(t, access, refresh)
		}, 0o600, isOK, []string{"of the same account", "(harmless)"}},
		"a login that others can read": {func(t *testing.T, b *box) string {
			access, refresh := foreign(t)
			return authJSON(t, access, refresh)
		}, 0o644, isWarning, []string{"other users", "chmod 600"}},
		"an API key": {func(*testing.T, *box) string { return `{"OPENAI_API_KEY":"sk-PLANTED"}` },
			0o600, isOK, []string{"API key"}},
		"nonsense": {func(*testing.T, *box) string { return "PLANTED" },
			0o600, isOK, []string{"not the auth.json"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && tt.mode != 0o600 {
				t.Skip("modes say nothing on Windows")
			}
			b := newPatient(t)
			path := write(t, filepath.Join(codexHome(t, b), "auth.json"), tt.auth(t, b))
			chmod(t, path, tt.mode)
			rep := b.doctor(t)
			rep.want(t, "codex_login", tt.state, append(tt.says, path)...)
			if strings.Contains(rep.check(t, "codex_login").Detail, "PLANTED") {
				t.Error("it shows what is in the file")
			}
		})
	}
	t.Run("a link", func(t *testing.T) {
		b := newPatient(t)
		link(t, b.record("default"), filepath.Join(codexHome(t, b), "auth.json"))
		b.doctor(t).want(t, "codex_login", isWarning, "symbolic link")
	})
}

// What doctor says to do about our token helps.
func TestDoctorsRemedyForTheCodexLogin(t *testing.T) {
	t.Parallel()
	b := newPatient(t)
	c := b.stored(t)
	write(t, filepath.Join(codexHome(t, b), "auth.json"), authJSON(t, c.AccessToken, c.RefreshToken))
	if r := b.run(t, "--profile", "default", "import"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	rep := b.doctor(t)
	rep.want(t, "codex_login", isOK, "there is no")
	rep.want(t, "login", isOK)
}

func TestDoctorOfTheCodexConfig(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it works with paths of Unix")
	}
	tests := map[string]struct {
		change func(text string) string
		args   []string
		state  string
		says   []string
	}{
		"as it was set up":  {func(text string) string { return text }, nil, isOK, []string{"uses /bin/sh"}},
		"a tool that left":  {func(text string) string { return strings.Replace(text, "/bin/sh", "/no/such/codexauth", 1) }, nil, isProblem, []string{"can't be found: /no/such/codexauth", "setup codex"}},
		"a tool that is no": {func(text string) string { return strings.Replace(text, "/bin/sh", "/etc/passwd", 1) }, nil, isProblem, []string{"can't be run"}},
		"a directory":       {func(text string) string { return strings.Replace(text, "/bin/sh", "/etc", 1) }, nil, isProblem, []string{"can't be run"}},
		"another provider in use": {func(text string) string {
			return strings.Replace(text, `model_provider = "codexauth"`, `model_provider = "mine"`, 1)
		}, nil, isWarning, []string{"another model_provider"}},
		"a profile that comes first": {func(text string) string {
			return "profile = \"p\"\n" + text + "\n[profiles.p]\nmodel_provider = \"mine\"\n"
		}, nil, isWarning, []string{`the profile "p"`, "comes before"}},
		"another profile": {func(text string) string { return text }, []string{"--profile", "work"}, isWarning, []string{"uses the profile default"}},
		"another store":   {func(text string) string { return strings.Replace(text, "file:", "file:/elsewhere", 1) }, nil, isWarning, []string{"/elsewhere"}},
		"an earlier account": {func(text string) string {
			at := strings.Index(text, `"ChatGPT-Account-ID" = "`) + len(`"ChatGPT-Account-ID" = "`)
			return text[:at] + "0" + text[at+1:]
		}, nil, isProblem, []string{"earlier sign-in", "setup codex"}},
		"not TOML":     {func(text string) string { return text + "\nkey = PLANTED" }, nil, isWarning, []string{"not valid: line "}},
		"none of ours": {func(string) string { return "model = \"x\"\n" }, nil, isOK, []string{"does not use codexauth"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newPatient(t)
			r := b.setup(t, "--print")
			text := strings.Replace(r.stdout, "/opt/bin/codexauth", "/bin/sh", 1)
			if r.code != 0 || text == r.stdout {
				t.Fatalf("exit %d: %q", r.code, r.stderr)
			}
			path := write(t, filepath.Join(codexHome(t, b), "config.toml"), tt.change(text))
			rep := b.doctor(t, tt.args...)
			rep.want(t, "codex_config", tt.state, append(tt.says, path)...)
			if strings.Contains(rep.check(t, "codex_config").Detail, "PLANTED") {
				t.Error("it shows what is in the file")
			}
		})
	}
}

func TestDoctorOfPorts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("who has a port is told on Linux")
	}
	take := func(t *testing.T, network, host string) string {
		t.Helper()
		l, err := net.Listen(network, net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skipf("can't listen on %s: %v", host, err)
		}
		t.Cleanup(func() { l.Close() })
		return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	b := newPatient(t)
	v4, v6 := take(t, "tcp4", "127.0.0.1"), take(t, "tcp6", "::1")
	b.setenv(portsVariable + "=" + v4 + " " + v6)
	rep := b.doctor(t)
	rep.want(t, "ports", isProblem, v4+" is taken by ", v6+" is taken by ", strconv.Itoa(os.Getpid()), "login --device")
	b.setenv(portsVariable + "=" + v6 + " 0")
	b.doctor(t).want(t, "ports", isWarning, v6+" is taken by ", "a sign-in uses the other one")
}

// Secrets are put wherever doctor looks; none comes out.
func TestDoctorShowsNoSecret(t *testing.T) {
	const planted = "PLANTED-s3cret"
	b := newPatient(t)
	rescue(t, b, planted)
	home := codexHome(t, b)
	c := b.stored(t)
	write(t, filepath.Join(home, "auth.json"), authJSON(t, c.AccessToken, c.RefreshToken))
	write(t, filepath.Join(home, "config.toml"), "model_provider = \"codexauth\"\n[model_providers.codexauth]\nexperimental_bearer_token = \""+planted+"\"\nbroken = "+planted)
	certs := write(t, filepath.Join(t.TempDir(), "certs"), "-----BEGIN CERTIFICATE-----\n"+planted+"\n-----END CERTIFICATE-----\n")
	b.setFaults(t, "status=503")
	b.run(t, "refresh")
	secrets := append(secretsIn(b.home), planted)
	for _, variables := range [][]string{
		{},
		{"SSL_CERT_FILE=" + certs, "CODEXAUTH_CA_FILE=" + certs},
		{"HTTPS_PROXY=http://me:" + planted + "@127.0.0.1:1", "CODEXAUTH_ISSUER=https://issuer.example"},
		{"HTTPS_PROXY=http://me:" + planted + "@[::1", "CODEXAUTH_ISSUER=https://issuer.example"},
		{"HTTPS_PROXY=ftp://me:" + planted + "@127.0.0.1:1", "CODEXAUTH_ISSUER=https://issuer.example"},
		{"HTTPS_PROXY=http://me:" + planted + "@ 127.0.0.1", "CODEXAUTH_ISSUER=https://issuer.example", "NO_PROXY=" + planted},
		{"ALL_PROXY=socks5://me:" + planted + "@127.0.0.1:1", "HTTP_PROXY=http://me:" + planted + "@127.0.0.1:1"},
		{"CODEXAUTH_STORE=postgres://me:" + planted + "@127.0.0.1:1/x"},
		{"CODEXAUTH_STORE=etcd://me:" + planted + "@127.0.0.1:1/x"},
		{"CODEXAUTH_IDENTITY_FILE=" + certs},
		{"CODEXAUTH_IDENTITY_FILE=AGE-SECRET-KEY-" + planted},
	} {
		for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}, {"doctor", "-v"}} {
			cmd := b.command(args...)
			cmd.Env = append(cmd.Env, variables...)
			r := finish(cmd)
			if r.code != verdict.Failed && r.code != verdict.Usage && r.code != verdict.TryLater {
				t.Errorf("%q: exit %d: %q", variables, r.code, r.stderr)
			}
			for _, secret := range secrets {
				if strings.Contains(r.stdout, secret) || strings.Contains(r.stderr, secret) {
					t.Errorf("%q %q: it shows a secret: %q %q", variables, args, r.stdout, r.stderr)
				}
			}
		}
	}
}
