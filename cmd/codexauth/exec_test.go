package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/sandbox"
)

// agentVariable makes TestAgent the command that exec runs, and says what it does.
const agentVariable = "CODEXAUTH_TEST_AGENT"

const agentPrompt = `{"model":"gpt-sandbox","store":false,"stream":true,"input":[{"role":"user","content":"an echo through the front"}]}`

// TestAgent is no test: it is the command of the other ones.
func TestAgent(t *testing.T) {
	switch role, arg, _ := strings.Cut(os.Getenv(agentVariable), ":"); role {
	case "":
		return
	case "ask":
		os.Exit(agentAsk())
	case "exit":
		io.Copy(os.Stdout, os.Stdin)
		code, _ := strconv.Atoi(arg)
		os.Exit(code)
	case "stand":
		// Says that it is ready, and catches nothing.
		fmt.Println("ready " + os.Getenv("OPENAI_BASE_URL"))
		time.Sleep(5 * time.Minute)
	case "wait":
		// Says that it is ready, then which signals come, until the one that ends it.
		signals := make(chan os.Signal, 16)
		signal.Notify(signals, passedOn()...)
		fmt.Println("ready " + os.Getenv("OPENAI_BASE_URL"))
		for s := range signals {
			fmt.Println("got " + s.String())
			if arg == "" || arg == s.String() {
				os.Exit(9)
			}
		}
	}
}

// agentAsk asks through the proxy and prints what came back, and its environment.
func agentAsk() int {
	base, key := os.Getenv("OPENAI_BASE_URL"), os.Getenv("OPENAI_API_KEY")
	req, err := http.NewRequest("POST", base+"/responses", strings.NewReader(agentPrompt))
	if err != nil {
		return 1
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return 2
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, base, key)
	for _, pair := range os.Environ() {
		fmt.Println("env", pair)
	}
	io.Copy(os.Stdout, resp.Body)
	return 0
}

// agent prepares `codexauth exec` with a command in this role.
func (b *box) agent(t *testing.T, role string, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.command(append(append([]string{"exec"}, flags...), "--", self, "-test.run=^TestAgent$")...)
	cmd.Env = append(slices.Clone(b.env), agentVariable+"="+role)
	return cmd
}

// nobodyAt checks that nothing is left behind at a URL.
func nobodyAt(t *testing.T, base string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil || u.Hostname() != "127.0.0.1" || u.Path != "/v1" {
		t.Fatalf("base URL %q, %v", base, err)
	}
	if conn, err := net.Dial("tcp", u.Host); err == nil {
		conn.Close()
		t.Error("the proxy outlives its command")
	}
}

func TestExecAsks(t *testing.T) {
	b := newExpired(t)
	before := secretsIn(b.home)
	r := finish(b.agent(t, "ask"))
	b.check(t, r, before)
	if r.code != 0 || !strings.Contains(r.stdout, "response.completed") || !strings.Contains(r.stdout, "an echo through the front") {
		t.Fatalf("exit %d: %s %s", r.code, r.stdout, r.stderr)
	}
	for _, secret := range append(before, secretsIn(b.home)...) {
		if strings.Contains(r.stdout, secret) {
			t.Error("the command sees a token")
		}
	}
	fields := strings.Fields(r.stdout)
	if fields[0] != "200" || strings.Contains(r.stdout, "env NO_PROXY=") {
		t.Errorf("it said %q", r.stdout)
	}
	nobodyAt(t, fields[1])
	if c := b.server.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
	again := finish(b.agent(t, "ask"))
	if other := strings.Fields(again.stdout); len(other) < 3 || other[2] == fields[2] {
		t.Error("two runs have one key")
	}
}

// A token that the backend no longer takes is replaced without the command's
// noticing.
func TestExecRecovers(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	b.server.ExpireAccessTokens()
	if r := finish(b.agent(t, "ask")); r.code != 0 || !strings.HasPrefix(r.stdout, "200 ") {
		t.Errorf("exit %d: %s %s", r.code, r.stdout, r.stderr)
	}
	if c := b.server.Counters(); c.Refreshes != 1 || c.BackendUnauthorized != 1 {
		t.Errorf("%+v", c)
	}
}

// With a proxy in the environment, the command is told not to ask it for us.
func TestExecKeepsTheKeyFromProxies(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	b.env = append(b.env, "http_proxy=http://127.0.0.1:1", "NO_PROXY=example.com")
	r := finish(b.agent(t, "ask"))
	upper, lower := strings.Contains(r.stdout, "env NO_PROXY=example.com,127.0.0.1\n"), strings.Contains(r.stdout, "env no_proxy=example.com,127.0.0.1\n")
	both := upper && lower || runtime.GOOS == "windows" && upper != lower // one variable there
	if r.code != 0 || !both {
		t.Errorf("exit %d: %s", r.code, r.stdout)
	}
}

func TestExecExitCodes(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	wantFailure(t, finish(b.agent(t, "exit:0")), exitOwnFailure, "not signed in", "codexauth login")
	b.signIn(t, "default")
	for _, code := range []int{0, 1, 5, 77, 125} {
		cmd := b.agent(t, fmt.Sprintf("exit:%d", code))
		cmd.Stdin = strings.NewReader("through\x00and through")
		if r := finish(cmd); r.code != code || r.stdout != "through\x00and through" || r.stderr != "" {
			t.Errorf("exit %d, want %d: %q %q", r.code, code, r.stdout, r.stderr)
		}
	}
	wantFailure(t, b.run(t, "exec"), exitOwnFailure, "a command to run")
	wantFailure(t, b.run(t, "exec", "--nonsense", "--", "true"), exitOwnFailure, "--nonsense")
	wantFailure(t, b.run(t, "exec", "--", "no-such-command-here"), exitNotFound, "no such command")
	wantFailure(t, b.run(t, "exec", "--", "./no/such/command"), exitNotFound, "no such command")
	if runtime.GOOS == "windows" {
		t.Skip("modes and interpreters are Unix's")
	}
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "no-interpreter": 0o755} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/no/such/interpreter\n"), mode); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, b.run(t, "exec", "--", path), exitNotRunnable, "can't be run")
	}
	wantFailure(t, b.run(t, "exec", "--", dir), exitNotRunnable, "can't be run")
	r := b.run(t, "exec", "--json", "--", "no-such-command-here")
	if r.code != exitNotFound || !strings.Contains(r.stderr, `"code":"not_found"`) || !strings.Contains(r.stderr, `"exit_code":127`) {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := b.run(t, "exec", "--", "sh", "-c", "kill -9 $$"); r.code != exitBySignal+9 {
		t.Errorf("killed: exit %d", r.code)
	}
	// What follows the command is its own, with or without --.
	if r := b.run(t, "exec", "sh", "-c", "echo $0 $1", "--json", "--help"); r.stdout != "--json --help\n" {
		t.Errorf("the command's own flags: %q %q", r.stdout, r.stderr)
	}
}

// A signal reaches the command, whose exit code counts, and nothing is left.
func TestExecPassesSignalsOn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows sends no signals to processes")
	}
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	passed := []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}
	// What is caught here is not ignored by what is started here, as under nohup(1).
	caught := make(chan os.Signal, len(passed))
	signal.Notify(caught, passed...)
	defer signal.Stop(caught)
	for _, s := range passed {
		cmd := b.agent(t, "wait")
		cmd.SysProcAttr = rotator.Detached()[0] // no terminal, whoever runs the tests
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		ready := ui.ReadLine(out)
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		err = cmd.Wait()
		stop.Stop()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 9 || string(rest) != "got "+s.String()+"\n" {
			t.Errorf("%v: %v, %q", s, err, rest)
		}
		nobodyAt(t, strings.Fields(ready)[1])
	}
}

// What opens the store is no business of the command's. Its own database is.
func TestChildEnvHoldsNoSecretOfOurs(t *testing.T) {
	const file, database = "file:/x", "postgres://me@db/logins"
	for name, tt := range map[string]struct{ store, env, want string }{
		"always":            {file, "PATH=/bin CODEXAUTH_ETCD_PASSWORD=x CODEXAUTH_BROKER_KEY=x AETHER_CREDENTIALS_PASSWORD=x HOME=/x", "PATH=/bin HOME=/x"},
		"in any case":       {file, "codexauth_broker_key=x Codexauth_Etcd_Password=x", ""},
		"libpq":             {database, "PGPASSWORD=x PgPassFile=x PGSSLPASSWORD=x PGSSLKEY=x PGSERVICE=x PGSERVICEFILE=x PGHOST=db", "PGHOST=db"},
		"libpq of its own":  {file, "PGPASSWORD=x PGPASSFILE=y", "PGPASSWORD=x PGPASSFILE=y"},
		"libpq, by name":    {file, "CODEXAUTH_STORE=" + database + " PGPASSWORD=x", "CODEXAUTH_STORE=" + database},
		"etcd":              {"etcds://me@e:2379/", "ETCDCTL_USER=me:x ETCDCTL_PASSWORD=x ETCDCTL_KEY=k ETCDCTL_CACERT=c", "ETCDCTL_CACERT=c"},
		"etcd of its own":   {file, "ETCDCTL_PASSWORD=x", "ETCDCTL_PASSWORD=x"},
		"address":           {database, "CODEXAUTH_STORE=postgres://me:x@db/logins?sslmode=require", "CODEXAUTH_STORE=postgres://me@db/logins?sslmode=require"},
		"address's query":   {database, "codexauth_store=postgres://db/logins?Password=x&sslpassword=x&user=me", "codexauth_store=postgres://db/logins?user=me"},
		"address, unparsed": {database, "CODEXAUTH_STORE=postgres://me:50%@db/logins", "CODEXAUTH_STORE=postgres:"},
		"everything direct": {file, "http_proxy=p NO_PROXY=* no_proxy=a", "http_proxy=p NO_PROXY=* no_proxy=a NO_PROXY=* no_proxy=*"},
		"some direct":       {file, "http_proxy=p NO_PROXY=a,b", "http_proxy=p NO_PROXY=a,b NO_PROXY=a,b,127.0.0.1 no_proxy=a,b,127.0.0.1"},
	} {
		if got := strings.Join(childEnv(strings.Fields(tt.env), tt.store), " "); got != tt.want {
			t.Errorf("%s: the command gets %q, want %q", name, got, tt.want)
		}
	}
}

func TestChildArgs(t *testing.T) {
	f := &serving.Front{URL: "http://127.0.0.1:1234"}
	got := strings.Join(childArgs([]string{"/opt/bin/codex", "exec", "-c", "x=1"}, f), " ")
	want := `-c model_provider="codexauth_exec" -c model_providers.codexauth_exec.name="codexauth" ` +
		`-c model_providers.codexauth_exec.base_url="http://127.0.0.1:1234/backend-api/codex" ` +
		`-c model_providers.codexauth_exec.env_key="OPENAI_API_KEY" -c model_providers.codexauth_exec.wire_api="responses" exec -c x=1`
	if got != want {
		t.Errorf("codex gets %s", got)
	}
	if got := childArgs([]string{"codex-like", "a"}, f); len(got) != 1 {
		t.Errorf("another command gets %q", got)
	}
}
