package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/pgserver"
	"codexauth/sandbox"
)

// A store that goes away while a code is being redeemed costs no sign-in, not even
// if the command is killed then: what came waits in a rescue file, and the next
// command that needs a token puts it where it was to go.
func TestStoreIsAwayWhenTheCodeIsRedeemed(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (b *box, away, back func()){
		"file": boxInFiles, "PostgreSQL": boxInPostgres, "etcd": boxInEtcd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, away, back := open(t)
			b.setFaults(t, "latency-after=1500ms@code")
			r := b.start(t, "login", "--no-browser")
			page := make(chan error, 1)
			address := r.await(t, "code_challenge=")
			go func() { page <- follow(t.Context(), address) }()
			eventually(t, "the code is redeemed", func() bool { return b.server.Counters().CodeExchanges == 1 })
			away()
			eventually(t, "a rescue file", func() bool { return len(b.rescues(t)) > 0 })
			r.signal(t, syscall.SIGKILL)
			r.end(t)
			<-page // whatever it says: its server was killed

			if said := b.run(t, "token"); said.code == verdict.Done {
				t.Error("a token out of a store that is away")
			}
			back()
			wantToken(t, b.run(t, "token"))
			if said := b.run(t, "refresh"); said.code != verdict.Done {
				t.Errorf("refresh: exit %d: %s", said.code, said.stderr)
			}
			if left := b.rescues(t); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
			if c := b.server.Counters(); c.CodeExchanges != 1 || c.Reuses != 0 || c.FamiliesRevoked != 0 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

func boxInFiles(t *testing.T) (b *box, away, back func()) {
	b = newBox(t, sandbox.Config{})
	rename := func(from, to string) func() {
		return func() {
			os.RemoveAll(to) // a directory for locks
			if err := os.Rename(from, to); err != nil {
				t.Error(err)
			}
		}
	}
	return b, rename(b.home, b.home+"-away"), rename(b.home+"-away", b.home)
}

// boxInPostgres is a box in a database that takes no row any more while it is away,
// as one does whose disk is full.
func boxInPostgres(t *testing.T) (b *box, away, back func()) {
	if there, err := hasDatabase(); err != nil {
		t.Fatal(err)
	} else if !there {
		t.Skip("no PostgreSQL server on this machine")
	}
	// A server of its own: others look in the log of theirs for connections that broke.
	s, err := pgserver.Start(pgserver.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	where, password, err := newAddressOf(s)
	if err != nil {
		t.Fatal(err)
	}
	b = newBox(t, sandbox.Config{})
	b.env = append(b.env, "CODEXAUTH_STORE="+where, "PGPASSWORD="+password)
	address, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	schema := address.Query().Get("search_path")
	query := func(sql string) func() {
		return func() {
			if _, err := s.Query(pgserver.Database, strings.ReplaceAll(sql, "SCHEMA", schema)); err != nil {
				t.Error(err)
			}
		}
	}
	return b, query(`CREATE FUNCTION SCHEMA.no_room() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON SCHEMA.codexauth_records FOR EACH ROW EXECUTE FUNCTION SCHEMA.no_room()`),
		query(`DROP TRIGGER no_room ON SCHEMA.codexauth_records`)
}

// boxInEtcd is a box in an etcd of its own, which is away when it is killed.
func boxInEtcd(t *testing.T) (b *box, away, back func()) {
	if there, err := hasEtcd(); err != nil {
		t.Fatal(err)
	} else if !there {
		t.Skip("no etcd server on this machine")
	}
	all, err := etcdserver.New(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all[0].Kill)
	start := func() {
		if err := all[0].Start(); err != nil {
			t.Error(err)
		} else if err := all[0].Ready(); err != nil {
			t.Error(err)
		}
	}
	start()
	b = newBox(t, sandbox.Config{})
	b.setenv(fmt.Sprintf("CODEXAUTH_STORE=etcd://%s/logins", all[0].Endpoint()))
	return b, all[0].Kill, start
}
