package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"codexauth/sandbox"
)

// TestScript runs the scripts of testdata/script, each with a home of its own.
// Beside the commands of testscript they have:
//
//	server [no-auto]   start a sandbox and point CODEXAUTH_ISSUER at it
//	fault FAULT...     replace the sandbox's faults
//	ttl DURATION       the life of the access tokens that are issued from now on
//	signin [PROFILE]   store a login without a browser
//	counted NAME=N...  the sandbox's counters are these
//	exits N CMD...     CMD ends with exit code N
//	fails N CMD...     so, and says nothing but an error of one or two lines
//	takeports N        listen on N ports and set PORTS to them
//	postgres           keep logins in a database: ADDRESS, and LOUD with its password
//	logged TEXT        the database server's log has this text
//	etcd               keep logins in an etcd: ADDRESS, and USED with a user
//	tool NAME FILE     a tool is signed in, and keeps its login in FILE
//	isroot             the test runs as root (a condition)
//	postgres           there is a PostgreSQL server (a condition)
//	etcd               there is an etcd server (a condition)
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CODEXAUTH_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("USERPROFILE", env.WorkDir)
			env.Vars = append(env.Vars, raceEnv)
			env.Setenv("CODEXAUTH_ISSUER", "http://127.0.0.1:1") // nobody is there
			env.Values[stateKey{}] = &scriptState{}
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "isroot":
				return os.Geteuid() == 0, nil
			case "postgres":
				return hasDatabase()
			case "etcd":
				return hasEtcd()
			}
			return false, errors.New("there is no condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":    scriptServer,
			"fault":     scriptFault,
			"ttl":       scriptTTL,
			"signin":    scriptSignIn,
			"counted":   scriptCounted,
			"exits":     scriptExits,
			"fails":     scriptFails,
			"takeports": scriptTakePorts,
			"postgres":  scriptPostgres,
			"logged":    scriptLogged,
			"etcd":      scriptEtcd,
			"tool":      scriptTool,
		},
	})
}

// scriptState is what the commands of one script share.
type scriptState struct{ server *sandbox.Server }

type stateKey struct{}

func state(ts *testscript.TestScript) *scriptState { return ts.Value(stateKey{}).(*scriptState) }

func server(ts *testscript.TestScript) *sandbox.Server {
	if state(ts).server == nil {
		ts.Fatalf("this script has no server yet")
	}
	return state(ts).server
}

func scriptServer(ts *testscript.TestScript, _ bool, args []string) {
	s, err := sandbox.Start(sandbox.Config{AutoApprove: len(args) == 0})
	ts.Check(err)
	ts.Defer(func() { s.Close() })
	state(ts).server = s
	ts.Setenv("CODEXAUTH_ISSUER", s.URL())
}

func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	var faults []sandbox.Fault
	for _, text := range args {
		f, err := sandbox.ParseFault(text)
		ts.Check(err)
		faults = append(faults, f)
	}
	ts.Check(server(ts).SetFaults(faults...))
}

func scriptTTL(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	server(ts).SetAccessTTL(d)
}

func scriptSignIn(ts *testscript.TestScript, _ bool, args []string) {
	profile := "default"
	if len(args) > 0 {
		profile = args[0]
	}
	ts.Check(signIn(server(ts), ts.Getenv("CODEXAUTH_HOME"), profile))
}

// scriptTool writes a new login as a tool keeps it, with others beside it for opencode.
func scriptTool(ts *testscript.TestScript, _ bool, args []string) {
	tokens := server(ts).Issue(sandbox.User{})
	entry := map[string]any{"type": "oauth", "refresh": tokens.RefreshToken, "access": tokens.AccessToken, "expires": 1790000000000, "accountId": tokens.AccountID}
	flat := map[string]any{"access_token": tokens.AccessToken, "refresh_token": tokens.RefreshToken, "id_token": tokens.IDToken, "account_id": tokens.AccountID}
	text := func(v any) string {
		data, err := json.Marshal(v)
		ts.Check(err)
		return string(data)
	}
	var data string
	switch args[0] {
	case "opencode":
		data = "{\n  \"anthropic\": { \"type\": \"api\", \"key\": \"k\" },\n  \"openai\": " + text(entry) + ",\n  \"openrouter\": {\"type\":\"api\",\"key\":\"\\u006b\"}\n}\n"
	case "pi":
		data = text(map[string]any{"openai-codex": entry})
	case "cliproxyapi":
		flat["type"] = "codex"
		data = text(flat)
	default:
		data = text(flat)
	}
	path := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, []byte(data), 0o600))
}

func scriptCounted(ts *testscript.TestScript, _ bool, args []string) {
	text, err := json.Marshal(server(ts).Counters())
	ts.Check(err)
	var counters map[string]int
	ts.Check(json.Unmarshal(text, &counters))
	for _, arg := range args {
		name, want, _ := strings.Cut(arg, "=")
		got, known := counters[name]
		if !known || strconv.Itoa(got) != want {
			ts.Fatalf("%s is %d (known: %v), want %s", name, got, known, want)
		}
	}
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	home := ts.Getenv("CODEXAUTH_HOME")
	before := secretsIn(home)
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit %d, want %s", code, args[0])
	}
	r := result{code, ts.ReadFile("stdout"), ts.ReadFile("stderr")}
	ts.Check(checkSaid(r, append(before, secretsIn(home)...)))
}

func scriptFails(ts *testscript.TestScript, neg bool, args []string) {
	scriptExits(ts, neg, args)
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("a failure wrote to standard output")
	}
	if n := strings.Count(ts.ReadFile("stderr"), "\n"); n < 1 || n > 2 {
		ts.Fatalf("an error of %d lines", n)
	}
}

func scriptTakePorts(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Defer(func() { l.Close() })
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	ts.Setenv("PORTS", strings.Join(ports, " "))
}
