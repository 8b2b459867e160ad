package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"codexauth"
	"codexauth/store/storetest"
)

// server is a private PostgreSQL server of these tests.
type server struct {
	bin    string // the directory of its programs
	dir    string // holds data, logs and socket
	port   int
	keeper *exec.Cmd // stops the server when this process ends, however it ends
	hold   io.Closer // the keeper's standard input
}

const (
	adminPassword = "admin-Passw0rd"
	fleetPassword = "fleet-Passw0rd"
)

// testServer is what all tests share; missing says why there is none.
var (
	testServer *server
	missing    error
)

func TestMain(m *testing.M) {
	storetest.Main(func(place string) (codexauth.Store, error) { return Open(place) })
	playStorm()
	testServer, missing = startServer()
	if testServer != nil {
		missing = testServer.setUp()
	}
	code := m.Run()
	testServer.stop()
	os.Exit(code)
}

// needServer skips the test where there is no server, or fails it where
// CODEXAUTH_E2E_REQUIRED=1 says that there must be one.
func needServer(t testing.TB) *server {
	t.Helper()
	if missing != nil {
		unavailable(t, missing.Error())
	}
	return testServer
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func startServer() (*server, error) {
	bin, err := findPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "codexauth-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, dir: dir}
	if err := s.giveAway(dir); err != nil {
		return s, errors.Join(err, os.RemoveAll(dir))
	}
	if s.port, err = freePort(); err != nil {
		return s, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(adminPassword), 0o644); err != nil {
		return s, err
	}
	if err := s.run("initdb", "-D", s.data(), "-U", "admin", "--pwfile", password, "--encoding=UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"); err != nil {
		return s, err
	}
	if err := s.keep(); err != nil {
		return s, err
	}
	return s, s.control("start")
}

// findPrograms looks where PATH and Debian's packages have them.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		return filepath.Dir(path), err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server on this machine (no initdb in PATH or /usr/lib/postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// giveAway makes the user postgres own a directory, since the server refuses to
// run as root.
func (s *server) giveAway(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("the server does not run as root, and there is no other user for it: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, -1)
}

// command is one of the server's programs, run as the server's user.
func (s *server) command(program string, args ...string) *exec.Cmd {
	if !strings.Contains(program, "/") {
		program = filepath.Join(s.bin, program)
	}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "postgres", "--", program}, args...)
		program = "runuser"
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	return cmd
}

func (s *server) run(program string, args ...string) error {
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(out))
	}
	return nil
}

// control starts or stops the server.
func (s *server) control(action string) error { return s.controlCopy(action, s.data(), s.port) }

// controlCopy starts or stops a server with the data of that directory.
func (s *server) controlCopy(action, data string, port int) error {
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -p %d -k %s", port, s.dir)
	if err := s.run("pg_ctl", "-D", data, "-l", data+".log", "-o", options, "-w", "-t", "60", "-m", "fast", action); err != nil {
		log, _ := os.ReadFile(data + ".log")
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// keep starts the process that stops the server and removes its files once its
// standard input ends.
func (s *server) keep() (err error) {
	script := `cat; for d in "$2"/*/; do "$1/pg_ctl" -D "$d" -m immediate stop; done >/dev/null 2>&1; rm -rf "$2"/*`
	s.keeper = s.command("/bin/sh", "-c", script, "keeper", s.bin, s.dir)
	s.keeper.Dir = "/"
	if s.hold, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	return s.keeper.Start()
}

func (s *server) stop() {
	if s == nil || s.keeper == nil {
		return
	}
	s.hold.Close()
	s.keeper.Wait()
	os.RemoveAll(s.dir)
}

// tcp and socket are connection strings of a role.
func (s *server) tcp(role, password string) *url.URL {
	return &url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/logins",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), RawQuery: "sslmode=disable"}
}

func (s *server) socket(role string) *url.URL {
	query := url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}
	return &url.URL{Scheme: "postgres", User: url.User(role), Path: "/logins", RawQuery: query.Encode()}
}

// with adds a parameter to a connection string.
func with(u *url.URL, name, value string) *url.URL {
	next := *u
	query := next.Query()
	query.Set(name, value)
	next.RawQuery = query.Encode()
	return &next
}

func (s *server) setUp() error {
	ctx := context.Background()
	u := s.socket("admin")
	u.Path = "/postgres"
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		"CREATE ROLE fleet LOGIN PASSWORD '" + fleetPassword + "'",
		"CREATE DATABASE logins",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// admin runs SQL as the superuser and returns the first row's values.
func admin(t testing.TB, sql string, args ...any) []any {
	t.Helper()
	return query(t, needServer(t).socket("admin"), sql, args...)
}

func query(t testing.TB, u *url.URL, sql string, args ...any) []any {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if len(args) == 0 { // several statements
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if len(results) == 0 || len(results[0].Rows) == 0 {
			return nil
		}
		var values []any
		for _, v := range results[0].Rows[0] {
			values = append(values, string(v))
		}
		return values
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) ([]any, error) { return r.Values() })
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
