package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"codexauth"
	"codexauth/internal/rig/freeport"
)

// TestStandby: a standby is refused, and looked past where the primary is named too.
func TestStandby(t *testing.T) {
	u := newURL(t)
	put(t, open(t, u), "work", "x")
	copied := filepath.Join(testServer.Dir, "standby")
	err := testServer.Run("pg_basebackup", "-h", testServer.Dir, "-p", fmt.Sprint(testServer.Port), "-U", "admin",
		"-D", copied, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		t.Fatal(err)
	}
	port := freeport.One(t)
	if err := testServer.ControlCopy("start", copied, port); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := testServer.ControlCopy("stop", copied, port); err != nil {
			t.Error(err)
		}
	})

	s := open(t, with(u, "port", fmt.Sprint(port)))
	_, loadErr := s.Load(patient(t), "work")
	_, listErr := s.List(patient(t))
	_, claimErr := s.Claim(patient(t), "work")
	for _, err := range []error{loadErr, listErr, claimErr} {
		wantError(t, err, errStandby, s.String(), "primary")
	}

	both := with(testServer.TCP("fleet", fleetPassword), "search_path", u.Query().Get("search_path"))
	both.Host = fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", port, testServer.Port)
	s = open(t, both)
	wantLoad(t, s, "work", "x")
	put(t, s, "work", "y")
}

// findPooler returns PgBouncer's program. Where all tests are required it is
// installed, if this is a Debian system's root.
func findPooler(t *testing.T) string {
	t.Helper()
	look := func() string {
		for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
			if path, err := exec.LookPath(name); err == nil {
				return path
			}
		}
		return ""
	}
	if path := look(); path != "" {
		return path
	}
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" && os.Geteuid() == 0 {
		cmd := exec.Command("apt-get", "install", "-y", "-qq", "--no-install-recommends", "pgbouncer")
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("apt-get install pgbouncer: %v: %s", err, out)
		}
	}
	path := look()
	if path == "" {
		unavailable(t, "no PgBouncer on this machine (Debian's package pgbouncer)")
	}
	return path
}

// startPooler puts PgBouncer before the test's server and schema.
func startPooler(t *testing.T, u *url.URL, mode string) *url.URL {
	t.Helper()
	program := findPooler(t)
	port := freeport.One(t)
	dir, err := os.MkdirTemp("", "codexauth-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := fmt.Sprintf(`[databases]
logins = host=%s port=%d dbname=logins user=fleet pool_size=2 connect_query='SET search_path = %s'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
logfile = %s/log
auth_type = any
pool_mode = %s
`, testServer.Dir, testServer.Port, u.Query().Get("search_path"), port, dir, mode)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o644), testServer.GiveAway(dir)); err != nil {
		t.Fatal(err)
	}
	// It ends with this process, however that ends.
	cmd := testServer.Command("/bin/sh", "-c", `"$1" -q "$2" >/dev/null 2>&1 & cat; kill $!; wait`, "pooler", program, file)
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	until(t, "the pooler listens", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return &url.URL{Scheme: "postgres", User: url.User("fleet"), Host: fmt.Sprintf("127.0.0.1:%d", port),
		Path: "/logins", RawQuery: "sslmode=disable"}
}

// TestPooler: a claim through a pooler is refused before anything of the
// server's session was changed, and reading works.
func TestPooler(t *testing.T) {
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			u := newURL(t)
			direct := open(t, u)
			put(t, direct, "work", "x")
			pooled := startPooler(t, u, mode)
			s := open(t, pooled)
			for range 3 {
				wantLoad(t, s, "work", "x")
				_, err := s.Claim(patient(t), "work")
				wantError(t, err, errPooler, "pooler", "the server's own host and port")
			}
			c, err := direct.Claim(expired(t), "work")
			if err != nil {
				t.Fatalf("the refused claims left something behind: %v", err)
			}
			mustRelease(t, c)
			var changed string
			conn, err := pgx.Connect(t.Context(), with(pooled, "default_query_exec_mode", "exec").String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if err := conn.QueryRow(t.Context(), "SHOW default_transaction_isolation").Scan(&changed); err != nil || changed != "read committed" {
				t.Errorf("default_transaction_isolation = %q, %v", changed, err)
			}
			if err := conn.QueryRow(t.Context(), "SHOW tcp_user_timeout").Scan(&changed); err != nil || changed != "0" {
				t.Errorf("tcp_user_timeout = %q, %v: a session of the pooler's was changed", changed, err)
			}
		})
	}
}

// TestLockThatIsNone: a server that grants and forgets is found out.
func TestLockThatIsNone(t *testing.T) {
	u := newURL(t)
	s := open(t, u)
	put(t, s, "work", "x")
	conn, err := s.pool.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.pool.put(conn)
	lock := claimLock("work")
	if granted, err := tryLock(t.Context(), conn, lock); !granted || err != nil {
		t.Fatal(granted, err)
	}
	if _, err := readLocked(t.Context(), conn, "work"); err != nil {
		t.Error(err)
	}
	_, err = s.Claim(expired(t), "work")
	wantError(t, err, codexauth.ErrBusy)
	if err := unlock(conn); err != nil {
		t.Fatal(err)
	}
	_, err = readLocked(t.Context(), conn, "work")
	wantError(t, err, errNoLock)
}
