package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/freeport"
)

func TestString(t *testing.T) {
	for connString, want := range map[string]string{
		"postgres://me:secret-Passw0rd@db.example.com/logins?sslmode=disable":         "postgres://db.example.com/logins",
		"postgresql://me:secret-Passw0rd@db:5433/logins?search_path=b&sslmode=prefer": "postgres://db:5433/logins?search_path=b",
		"host=a,b port=5432,5433 dbname=logins user=me password=secret-Passw0rd":      "postgres://a,b:5433/logins",
		"postgres://me@[::1]/logins":                 "postgres://[::1]/logins",
		"host=/run/postgresql dbname=logins user=me": "postgres:///logins?host=%2Frun%2Fpostgresql",
	} {
		s, err := Open(connString)
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
		s.Close()
	}
}

// The variables and files that every PostgreSQL client knows.
func TestEnvironment(t *testing.T) {
	u := newURL(t)
	dir := t.TempDir()
	service, pass := filepath.Join(dir, "service"), filepath.Join(dir, "pass")
	text := fmt.Sprintf("[fleet]\nhost=127.0.0.1\nport=%s\ndbname=logins\nuser=fleet\n", u.Query().Get("port"))
	if err := errors.Join(os.WriteFile(service, []byte(text), 0o600),
		os.WriteFile(pass, []byte("*:*:*:fleet:"+fleetPassword+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", service)
	t.Setenv("PGPASSFILE", pass)
	t.Setenv("PGSSLMODE", "disable")
	for name, set := range map[string]func(){
		"password file": func() {},
		"PGPASSWORD":    func() { t.Setenv("PGPASSFILE", ""); t.Setenv("PGPASSWORD", fleetPassword) },
	} {
		set()
		s, err := Open("service=fleet search_path=" + u.Query().Get("search_path"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, name, "x")
		s.Close()
	}
}

// TestBadConnString: what is wrong is said without the string.
func TestBadConnString(t *testing.T) {
	for _, connString := range []string{
		"postgres://me:Passw0rd@x@host/db",
		"postgres://me:12/Passw0rd@host/db",
		"postgres://me:p@b?Passw0rd@host/db",
		"postgres://me:Passw0rd@host:port/db",
		"postgres://me:Passw0rd@host/db?sslmode=Passw0rd",
		"postgres://me:Passw0rd@host/db?target_session_attrs=Passw0rd",
		"postgres://me:Passw0rd@host/db?pool_max_conns=Passw0rd",
		"host=x password=a Passw0rd",
		"host=x service=Passw0rd",
		"host=x sslmode=verify-full sslrootcert=/nowhere/Passw0rd",
		"Passw0rd",
		"postgres://%zzPassw0rd",
	} {
		s, err := Open(connString)
		if err == nil {
			s.Close()
			t.Errorf("%q was taken", connString)
			continue
		}
		wantError(t, err, nil, "open PostgreSQL store", "connection string")
		if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, "Passw0rd") {
			t.Errorf("the error's fields hold the string: %s", text)
		}
	}
}

func TestRefusedConnections(t *testing.T) {
	needServer(t)
	for name, test := range map[string]struct {
		u    *url.URL
		want string
	}{
		"password":  {testServer.TCP("fleet", "wrong-Passw0rd"), "check the user, its password"},
		"role":      {testServer.TCP("nobody", "wrong-Passw0rd"), "check the user, its password"},
		"database":  {at(testServer.TCP("fleet", fleetPassword), "/nowhere"), "create it"},
		"parameter": {with(testServer.TCP("fleet", fleetPassword), "stranded-Passw0rd", "x"), "a parameter of the connection string"},
		"value":     {with(testServer.TCP("fleet", fleetPassword), "statement_timeout", "Passw0rd"), "a parameter of the connection string"},
	} {
		s := open(t, test.u)
		_, loadErr := s.Load(patient(t), "work")
		_, claimErr := s.Claim(patient(t), "work")
		_, listErr := s.List(patient(t))
		for _, err := range []error{loadErr, claimErr, listErr} {
			wantError(t, err, nil, s.String(), test.want)
			if errors.Is(err, codexauth.ErrNotFound) || errors.Is(err, codexauth.ErrBusy) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func at(u *url.URL, path string) *url.URL {
	next := *u
	next.Path = path
	return &next
}

// TestUnreachable: nobody there, and somebody who never says a word.
func TestUnreachable(t *testing.T) {
	closed := open(t, &url.URL{Scheme: "postgres", Host: fmt.Sprintf("127.0.0.1:%d", freeport.One(t)), Path: "/logins"})
	_, err := closed.Load(patient(t), "work")
	wantError(t, err, nil, "no connection", closed.String())
	_, err = closed.Claim(expired(t), "work")
	wantError(t, err, nil, "no connection", closed.String())

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := open(t, &url.URL{Scheme: "postgres", Host: silent.Addr().String(), Path: "/logins", RawQuery: "connect_timeout=1"})
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Load(ctx, "work")
	wantError(t, err, context.DeadlineExceeded, s.String(), "is the server there")
	_, err = s.Claim(ctx, "work")
	wantError(t, err, codexauth.ErrBusy, "did not answer")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("both took %v", took)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = s.Claim(cancelled, "work")
	wantError(t, err, context.Canceled)
}

// TestCreateAtOnce: many start on an empty schema.
func TestCreateAtOnce(t *testing.T) {
	u := newURL(t)
	var all sync.WaitGroup
	for i := range 32 {
		s := open(t, u)
		all.Go(func() {
			c, err := s.Claim(patient(t), fmt.Sprint("key-", i))
			if err == nil {
				err = errors.Join(c.Commit(patient(t), []byte("x")), c.Release())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if keys, err := open(t, u).List(t.Context()); len(keys) != 32 || err != nil {
		t.Errorf("List = %d keys, %v", len(keys), err)
	}
	if n := query(t, u, "SELECT count(*) FROM codexauth_meta WHERE $1", true)[0]; n != int64(1) {
		t.Errorf("codexauth_meta has %v rows", n)
	}
}

// TestReadingCreatesNothing: looking for a credential leaves no trace.
func TestReadingCreatesNothing(t *testing.T) {
	u := newURL(t)
	s := open(t, u)
	_, err := s.Load(t.Context(), "work")
	wantError(t, err, codexauth.ErrNotFound, "work", s.String())
	if keys, err := s.List(t.Context()); len(keys) != 0 || err != nil {
		t.Errorf("List = %q, %v", keys, err)
	}
	if found := query(t, u, "SELECT to_regclass('codexauth_records') IS NULL AND $1", true)[0]; found != true {
		t.Error("a table was created")
	}
}

// TestLeastPrivileges are those that the package's documentation grants.
func TestLeastPrivileges(t *testing.T) {
	needServer(t)
	schema := fmt.Sprintf("least_%d", time.Now().UnixNano())
	u := with(testServer.Socket("limited"), "search_path", schema)
	admin(t, "CREATE SCHEMA "+schema)
	admin(t, "CREATE ROLE limited LOGIN")
	t.Cleanup(func() {
		admin(t, "DROP SCHEMA "+schema+" CASCADE")
		admin(t, "DROP ROLE limited")
	})
	s := open(t, u)
	_, err := s.Claim(t.Context(), "work")
	wantError(t, err, nil, "create the tables", "have the database's owner")
	admin(t, "GRANT USAGE ON SCHEMA "+schema+" TO limited")
	_, err = s.Claim(t.Context(), "work")
	wantError(t, err, nil, "create the tables", "have the database's owner")

	admin(t, "SET search_path = "+schema+";"+Tables+Tables) // it can be run again
	_, err = s.Claim(t.Context(), "work")
	wantError(t, err, nil, "permission denied", "have the database's owner")
	_, err = s.Load(t.Context(), "work")
	wantError(t, err, nil, "permission denied", "have the database's owner")

	admin(t, fmt.Sprintf(`GRANT SELECT ON %[1]s.codexauth_meta TO limited;
		GRANT SELECT, INSERT, UPDATE, DELETE ON %[1]s.codexauth_records TO limited`, schema))
	put(t, s, "work", "x")
	put(t, s, "work", "y")
	wantLoad(t, s, "work", "y")
	c := mustClaim(t, s, "work")
	if err := c.Delete(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGuide: the SQL that the guide to fleets shows works, and is enough.
func TestGuide(t *testing.T) {
	needServer(t)
	guide, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```sql\n")
	if len(blocks) != 3 {
		t.Fatalf("the guide shows %d blocks of SQL", len(blocks)-1)
	}
	drop := func() {
		admin(t, "DROP DATABASE IF EXISTS guide_logins")
		admin(t, "DROP DATABASE IF EXISTS guide_codexauth")
		admin(t, "DROP ROLE IF EXISTS guide_fleet")
		admin(t, "DROP ROLE IF EXISTS guide_codexauth")
	}
	drop()
	t.Cleanup(drop)
	admin(t, "CREATE DATABASE guide_logins")
	rename := func(sql string) string {
		for _, name := range []string{"ROLE codexauth", "OWNER codexauth", "DATABASE codexauth", "ROLE fleet", "TO fleet", "DATABASE logins"} {
			kind, what, _ := strings.Cut(name, " ")
			sql = strings.ReplaceAll(sql, name, kind+" guide_"+what)
		}
		return sql
	}
	simple, _, _ := strings.Cut(blocks[1], "```")
	for sql := range strings.SplitSeq(strings.TrimSpace(simple), ";\n") { // a database is made in no transaction
		admin(t, rename(sql))
	}
	least, _, _ := strings.Cut(blocks[2], "```")
	query(t, at(testServer.Socket("admin"), "/guide_logins"), rename(least))
	for role, database := range map[string]string{"guide_codexauth": "/guide_codexauth", "guide_fleet": "/guide_logins"} {
		s := open(t, at(testServer.Socket(role), database))
		put(t, s, "work", "x")
		put(t, s, "work", "y")
		wantLoad(t, s, "work", "y")
		if keys, err := s.List(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("List = %q, %v", keys, err)
		}
		s.Close()
	}
	until(t, "all have left", func() bool {
		return admin(t, "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE $1", "guide_%")[0] == int64(0)
	})
}

// TestTablesOfOthers: of a newer version, without one, or open to everybody.
func TestTablesOfOthers(t *testing.T) {
	u := newURL(t)
	s := open(t, u)
	put(t, s, "work", "x")
	refused := func(want error, parts ...string) {
		t.Helper()
		_, err := s.Load(t.Context(), "work")
		wantError(t, err, want, parts...)
		_, err = s.Claim(t.Context(), "work")
		wantError(t, err, want, parts...)
		_, err = s.List(t.Context())
		wantError(t, err, want, parts...)
	}
	query(t, u, "UPDATE codexauth_meta SET version = 2")
	refused(nil, "version 2")
	query(t, u, "DELETE FROM codexauth_meta")
	refused(nil, "codexauth_meta is empty")
	query(t, u, "INSERT INTO codexauth_meta (version) VALUES (1)")
	for _, right := range []string{"SELECT", "UPDATE"} {
		query(t, u, "GRANT "+right+" ON codexauth_records TO PUBLIC")
		refused(codexauth.ErrStoreUnsafe, "REVOKE ALL")
		query(t, u, "REVOKE ALL ON codexauth_records FROM PUBLIC")
	}
	put(t, s, "work", "y")
	wantLoad(t, s, "work", "y")
}

// TestSameKeyInTwoSchemas: two stores in one database don't wait for each other.
func TestSameKeyInTwoSchemas(t *testing.T) {
	one, two := open(t, newURL(t)), open(t, newURL(t))
	c := mustClaim(t, one, "work")
	mustCommit(t, c, "one")
	put(t, two, "work", "two")
	wantLoad(t, one, "work", "one")
}
