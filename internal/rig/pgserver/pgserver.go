// Package pgserver runs a private PostgreSQL server for tests and rigs. It ends
// with the process that started it, however that ends.
package pgserver

import (
	"bytes"
	"cmp"
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
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"codexauth/internal/rig/freeport"
	"codexauth/internal/rig/scratch"
)

// The roles: Admin is the superuser, Fleet may connect and owns nothing yet.
const (
	Admin         = "admin"
	AdminPassword = "admin-Passw0rd"
	Fleet         = "fleet"
	FleetPassword = "fleet-Passw0rd"
	// Database is the database for logins.
	Database = "logins"
)

// Server is a PostgreSQL server with a data directory of its own. Over TCP it
// wants a password, over its socket none.
type Server struct {
	Dir    string // holds data, logs and socket
	Port   int
	Host   string // where it listens for TCP
	noSync bool
	chatty bool
	bin    string // the directory of its programs
	dir    *scratch.Dir
	keeper *exec.Cmd // stops the server when this process ends, however it ends
	hold   io.Closer // the keeper's standard input
}

// Options are what a server may have that is not as usual.
type Options struct {
	Host   string // the address for TCP; 127.0.0.1 if it is empty
	NoSync bool   // what a power cut would lose matters to no test of a store's logic
	Chatty bool   // log who leaves without a word, too
}

// Start makes a server with the two roles and the database, and starts it.
func Start(o Options) (*Server, error) {
	bin, err := findPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := scratch.NewEmptied("codexauth-postgres-") // by the keeper below
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir.Path, dir: dir, Host: cmp.Or(o.Host, "127.0.0.1"), noSync: o.NoSync, chatty: o.Chatty, bin: bin}
	if err = s.start(); err != nil {
		s.Stop()
		return nil, errors.Join(err, dir.Remove())
	}
	return s, nil
}

func (s *Server) start() (err error) {
	if err := s.GiveAway(s.Dir); err != nil {
		return err
	}
	if s.Port, err = freeport.Next(); err != nil {
		return err
	}
	password := filepath.Join(s.Dir, "password")
	if err := os.WriteFile(password, []byte(AdminPassword), 0o644); err != nil {
		return err
	}
	if err := s.Run("initdb", "-D", s.Data(), "-U", Admin, "--pwfile", password, "--encoding=UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"); err != nil {
		return err
	}
	if err := s.letIn(); err != nil {
		return err
	}
	if err := s.keep(); err != nil {
		return err
	}
	if err := s.Control("start"); err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE ROLE " + Fleet + " LOGIN PASSWORD '" + FleetPassword + "'",
		"CREATE DATABASE " + Database, // in no transaction with another statement
	} {
		if _, err := s.Query("postgres", sql); err != nil {
			return err
		}
	}
	return nil
}

// letIn lets other hosts in, with a password.
func (s *Server) letIn() error {
	f, err := os.OpenFile(filepath.Join(s.Data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, "host all all all scram-sha-256")
	return errors.Join(err, f.Close())
}

// Query runs SQL as the superuser and returns the rows of the first statement.
func (s *Server) Query(database, sql string) (rows [][]string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u := s.Socket(Admin)
	u.Path = "/" + database
	conn, err := pgconn.Connect(ctx, u.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	for _, found := range results[0].Rows {
		row := make([]string, len(found))
		for i, value := range found {
			row[i] = string(value)
		}
		rows = append(rows, row)
	}
	return rows, nil
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

// Data is the directory of the server's data; its log is beside it.
func (s *Server) Data() string { return filepath.Join(s.Dir, "data") }

// GiveAway makes the user postgres own a directory, since the server refuses to
// run as root.
func (s *Server) GiveAway(dir string) error {
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

// Command is one of the server's programs, run as the server's user.
func (s *Server) Command(program string, args ...string) *exec.Cmd {
	if !strings.Contains(program, "/") {
		program = filepath.Join(s.bin, program)
	}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "postgres", "--", program}, args...)
		program = "runuser"
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.Dir
	return cmd
}

// Run runs one of the server's programs to its end.
func (s *Server) Run(program string, args ...string) error {
	if out, err := s.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(out))
	}
	return nil
}

// Control starts or stops the server.
func (s *Server) Control(action string) error { return s.ControlCopy(action, s.Data(), s.Port) }

// ControlCopy starts or stops a server with the data of that directory.
func (s *Server) ControlCopy(action, data string, port int) error {
	options := fmt.Sprintf("-c listen_addresses=%s -p %d -k %s", s.Host, port, s.Dir)
	if s.noSync {
		options += " -c fsync=off"
	}
	if s.chatty {
		options += " -c log_min_messages=debug1"
	}
	if err := s.Run("pg_ctl", "-D", data, "-l", data+".log", "-o", options, "-w", "-t", "60", "-m", "fast", action); err != nil {
		log, _ := os.ReadFile(data + ".log")
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// Crash stops the server as a loss of power would, but for the disk's cache.
func (s *Server) Crash() error {
	return s.Run("pg_ctl", "-D", s.Data(), "-w", "-t", "60", "-m", "immediate", "stop")
}

// keep starts the process that stops the server and removes its files once its
// standard input ends.
func (s *Server) keep() (err error) {
	script := `cat; for d in "$2"/*/; do "$1/pg_ctl" -D "$d" -m immediate stop; done >/dev/null 2>&1; rm -rf "$2"/*`
	s.keeper = s.Command("/bin/sh", "-c", script, "keeper", s.bin, s.Dir)
	s.keeper.Dir = "/"
	if s.hold, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	return s.keeper.Start()
}

// Stop ends the server and removes its files.
func (s *Server) Stop() {
	if s == nil || s.keeper == nil {
		return
	}
	s.hold.Close()
	s.keeper.Wait()
	_ = s.dir.Remove()
}

// TCP is the connection string of a role over TCP.
func (s *Server) TCP(role, password string) *url.URL {
	return &url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/logins",
		Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), RawQuery: "sslmode=disable"}
}

// Socket is that over the Unix socket.
func (s *Server) Socket(role string) *url.URL {
	query := url.Values{"host": {s.Dir}, "port": {strconv.Itoa(s.Port)}}
	return &url.URL{Scheme: "postgres", User: url.User(role), Path: "/logins", RawQuery: query.Encode()}
}
