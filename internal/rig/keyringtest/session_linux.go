// Package keyringtest gives tests a D-Bus session of their own, with GNOME Keyring
// in it, with a Secret Service that behaves as the test wants, or with none.
// Nothing of it touches the user's own session, and nothing outlives the test.
package keyringtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"codexauth/internal/rig/standstill"
)

// Names of the Secret Service.
const (
	Name       = "org.freedesktop.secrets"
	path       = "/org/freedesktop/secrets"
	loginPath  = path + "/collection/login"
	serviceIf  = "org.freedesktop.Secret.Service"
	collection = "org.freedesktop.Secret.Collection"
	item       = "org.freedesktop.Secret.Item"
	prompt     = "org.freedesktop.Secret.Prompt"
)

// patience is how long a daemon has to come up.
const patience = 30 * time.Second

// Session is a session's bus. It starts no program by itself.
type Session struct {
	Address string
	Dir     string // the session's home, with all its sockets and files
	Bus     *os.Process
	Keeper  *os.Process // GNOME Keyring, once Unlock has started it
}

// Start starts a bus, or skips the test where there is no dbus-daemon.
func Start(t testing.TB) *Session {
	t.Helper()
	daemon := need(t, "dbus-daemon")
	s := &Session{Dir: shortDir(t)}
	config := filepath.Join(s.Dir, "bus.conf")
	text := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=` + filepath.Join(s.Dir, "bus") + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--config-file="+config, "--nofork", "--nopidfile", "--print-address=1")
	cmd.Env = s.Env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Bus = run(t, cmd)
	s.Address = readLine(out)
	if s.Address == "" {
		t.Fatal("the bus told no address")
	}
	return s
}

// need finds a program, or skips the test, or fails it where
// CODEXAUTH_E2E_REQUIRED=1 or CI=true say that everything must be there.
func need(t testing.TB, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err == nil {
		return found
	}
	why := "this machine has no " + program
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// shortDir is a directory whose path fits into a socket's address.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run starts a daemon that ends with the test, or with this process, however
// that ends.
func run(t testing.TB, cmd *exec.Cmd) *os.Process {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watcher := exec.Command("/bin/sh", "-c", `cat; kill -9 "$1"`, "watcher", strconv.Itoa(cmd.Process.Pid))
	watcher.Dir = "/"
	hold, err := watcher.StdinPipe()
	if err == nil {
		err = watcher.Start()
	}
	t.Cleanup(func() {
		if err == nil { // first, or it might kill who has that number next
			watcher.Process.Kill()
			watcher.Wait()
			hold.Close()
		}
		cmd.Process.Kill() // an error: it has ended
		cmd.Wait()
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s said: %s", filepath.Base(cmd.Path), &said)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process
}

func readLine(r io.Reader) string {
	buf := make([]byte, 1024)
	n, _ := r.Read(buf) // the address comes in one piece
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return line
}

// Env is the environment of a program in this session, in order of rising
// precedence: little, the session's, extra. There is no desktop in it.
func (s *Session) Env(extra ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + s.Dir, "XDG_RUNTIME_DIR=" + s.Dir,
		"GORACE=atexit_sleep_ms=0",
	}
	if s.Address != "" {
		env = append(env, "DBUS_SESSION_BUS_ADDRESS="+s.Address)
	}
	return append(env, extra...)
}

// Connect connects the test itself to the bus.
func (s *Session) Connect(t testing.TB) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Unlock starts GNOME Keyring with an unlocked login collection.
func (s *Session) Unlock(t testing.TB) {
	t.Helper()
	cmd := exec.Command(need(t, "gnome-keyring-daemon"), "--unlock", "--components=secrets", "--foreground")
	cmd.Env = s.Env()
	cmd.Stdin = strings.NewReader("the password of the keyring")
	cmd.Stdout = io.Discard
	s.Keeper = run(t, cmd)
	conn := s.Connect(t)
	await(t, "GNOME Keyring", func(ctx context.Context) bool {
		if introduce(ctx, conn) != nil {
			return false
		}
		var locked dbus.Variant
		err := conn.Object(Name, loginPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, collection, "Locked").Store(&locked)
		return err == nil && locked.Value() == false
	})
}

// await polls for what another process does.
func await(t testing.TB, what string, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come up in %v", what, patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Session) call(t testing.TB, object dbus.ObjectPath, method string, args ...any) *dbus.Call {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.caller(t).Object(Name, object).CallWithContext(ctx, method, 0, args...)
}

// caller is a new connection that the keyring knows.
func (s *Session) caller(t testing.TB) *dbus.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn := s.Connect(t)
	if err := introduce(ctx, conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

// introduce makes a connection known to GNOME Keyring, which may abort if the first
// request is one of weight, such as for a session or for an item.
func introduce(ctx context.Context, conn *dbus.Conn) error {
	return conn.Object(Name, path).CallWithContext(ctx, serviceIf+".ReadAlias", 0, "none").Err
}

// Lock locks the login collection.
func (s *Session) Lock(t testing.TB) {
	t.Helper()
	if err := s.call(t, path, serviceIf+".Lock", []dbus.ObjectPath{loginPath}).Err; err != nil {
		t.Fatal(err)
	}
}

// Items are the items of codexauth.
func (s *Session) Items(t testing.TB) (items []dbus.ObjectPath) {
	t.Helper()
	if err := s.call(t, loginPath, collection+".SearchItems", map[string]string{"service": "codexauth"}).Store(&items); err != nil {
		t.Fatal(err)
	}
	return items
}

// Secrets are the secrets of codexauth's items.
func (s *Session) Secrets(t testing.TB) (secrets []string) {
	t.Helper()
	conn := s.caller(t)
	var nothing dbus.Variant
	var session dbus.ObjectPath
	err := conn.Object(Name, path).Call(serviceIf+".OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&nothing, &session)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Items(t) {
		var secret struct {
			Session     dbus.ObjectPath
			Parameters  []byte
			Value       []byte
			ContentType string
		}
		if err := conn.Object(Name, p).Call(item+".GetSecret", 0, session).Store(&secret); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, string(secret.Value))
	}
	return secrets
}

// DeleteItems removes codexauth's items.
func (s *Session) DeleteItems(t testing.TB) {
	t.Helper()
	for _, p := range s.Items(t) {
		if err := s.call(t, p, item+".Delete").Err; err != nil {
			t.Fatal(err)
		}
	}
}

// Stop stops a process of the session, which then takes calls and answers none.
func Stop(t testing.TB, p *os.Process) {
	t.Helper()
	if err := standstill.Stop(p); err != nil {
		t.Fatal(err)
	}
}

// Continue lets it go on.
func Continue(t testing.TB, p *os.Process) {
	t.Helper()
	if err := standstill.Continue(p); err != nil {
		t.Fatal(err)
	}
}

// Strangers lists the processes that have this session's home in their
// environment and that the session did not start.
func (s *Session) Strangers(t testing.TB) (commands []string) {
	t.Helper()
	known := []int{os.Getpid()}
	for _, p := range []*os.Process{s.Bus, s.Keeper} {
		if p != nil {
			known = append(known, p.Pid)
		}
	}
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, environ := range environs {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(environ)))
		env, err := os.ReadFile(environ)
		if err != nil || !bytes.Contains(env, []byte(s.Dir)) || slices.Contains(known, pid) {
			continue // another user's, or it has ended
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(environ), "cmdline"))
		commands = append(commands, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
	}
	return commands
}
