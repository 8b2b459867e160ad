package e2e

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

var aKey = regexp.MustCompile(`codexauth_[A-Za-z0-9_-]{16,}`)

// All that is secret about tools that use a broker, looked for in all that others
// may see of it: command lines, environments, logs with -v, addresses, errors.
func TestToolsLeakNothing(t *testing.T) {
	st := newStage(t, -time.Hour)
	tool, env := rig.NewOfficial(t).Tool()
	mark := rig.NewMark(t)
	key := st.cli.AddKey(t, "tool")
	server := st.cli.With(string(mark)).StartServe(t, "-v", "--listen", "127.0.0.1:0")
	secrets := map[string]string{"key": key}
	note := func(name string) {
		for kind, secret := range secretsOf(st.cli.Stored(t)) {
			secrets[name+" "+kind] = secret
		}
	}
	note("first")
	commandLines, environments := rig.WatchCommandLines(t), mark.WatchEnvironments()

	said := map[string]string{} // by whom
	ways := map[string]rig.Way{"exec": st.cli.ThroughExec(), "serve": server.ThroughServe("serve", key)}
	for name, w := range ways {
		w = w.With(string(mark))
		for what, fault := range map[string]string{"": "", " of a failure": "backend-status=503*9", " of a 401": "backend-unauthorized*9"} {
			if fault != "" {
				st.sandbox.Control(t, map[string]any{"faults": []string{fault}})
			}
			r := w.Run(t, rig.NodeSDK(t, "create", "{}")...)
			said["the SDK's program through "+name+what] = r.Stdout + r.Stderr
			r = w.Run(t, curlStream(t, "hello")...)
			said["curl through "+name+what] = r.Stdout + r.Stderr
			st.sandbox.Control(t, map[string]any{"clear": true})
		}
	}
	r := ways["exec"].With(append(env, string(mark))...).Run(t, tool, "exec", "--skip-git-repo-check", "hello")
	said["codex through exec"] = r.Stdout + r.Stderr
	wantEcho(t, r, "hello")
	note("last")

	lines, envs := commandLines(), environments()
	said["the server"] = server.Log()
	for name, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("there is no %s to look for", name)
		}
	}
	if secrets["first refresh token"] == secrets["last refresh token"] {
		t.Error("nothing was refreshed: only half is proved")
	}
	for who, text := range said {
		wantNoSecret(t, who, text, secrets)
		if aKey.MatchString(text) {
			t.Errorf("%s shows a key", who)
		}
	}
	for _, line := range lines {
		wantNoSecret(t, "a command line", line, secrets)
		if aKey.MatchString(line) {
			t.Errorf("a command line shows a key: %s", aKey.ReplaceAllString(line, "KEY"))
		}
	}
	tokens := maps.Clone(secrets)
	delete(tokens, "key")
	held := 0
	for command, env := range envs {
		wantNoSecret(t, "the environment of "+command, env, tokens)
		if aKey.MatchString(env) {
			held++
		}
	}
	if held == 0 || len(lines) == 0 {
		t.Errorf("%d environments, %d of them with a key, and %d command lines were seen: nobody looked", len(envs), held, len(lines))
	}
	for _, r := range st.tap.Seen() {
		wantNoSecret(t, "an address", r.Path+"?"+r.Query, secrets)
		wantNoSecret(t, "a body", string(r.Body), secrets)
		header := r.Header.Clone()
		header.Del("Authorization")
		for name, values := range header {
			wantNoSecret(t, "the header "+name, strings.Join(values, "\n"), secrets)
		}
	}
}
