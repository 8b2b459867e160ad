package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/storetest"
)

// TestTimeoutsOfTheServer that are set for a role neither end a claim nor a wait.
func TestTimeoutsOfTheServer(t *testing.T) {
	u := newURL(t)
	const limit = 600 * time.Millisecond
	admin(t, `ALTER ROLE fleet SET idle_session_timeout = '200ms'; ALTER ROLE fleet SET statement_timeout = '200ms';
		ALTER ROLE fleet SET lock_timeout = '200ms'; ALTER ROLE fleet SET idle_in_transaction_session_timeout = '200ms';
		ALTER ROLE fleet SET default_transaction_isolation = 'serializable'`)
	t.Cleanup(func() { admin(t, "ALTER ROLE fleet RESET ALL") })
	s := open(t, u)
	c := mustClaim(t, s, "work")
	mustCommit(t, c, "note")
	pid := c.conn.PID()

	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := open(t, u).Claim(ctx, "work")
	wantError(t, err, codexauth.ErrBusy)
	if waited := time.Since(start); waited < limit {
		t.Errorf("waited for %v of %v", waited, limit)
	}

	mustCommit(t, c, "successor")
	if c.conn == nil || c.conn.PID() != pid {
		t.Error("the claim's session was ended by a time-out")
	}
	// Any other could refuse a commit without need.
	if got := show(t, c.conn, "transaction_isolation"); got != "read committed" {
		t.Errorf("the claim's session is %s", got)
	}
	mustRelease(t, c)
	wantLoad(t, s, "work", "successor")
}

// show returns a setting of a claim's session.
func show(t *testing.T, conn *session, name string) (value string) {
	t.Helper()
	err := run(t.Context(), conn, statement{sql: "SHOW " + name, row: func(values [][]byte) error {
		value = string(values[0])
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestVanishedHostIsNoticed: the server's keep-alives of a claim's session. On a
// Unix socket there is none to vanish.
func TestVanishedHostIsNoticed(t *testing.T) {
	needServer(t)
	schema := newSchema(t)
	c := mustClaim(t, open(t, with(testServer.TCP("fleet", fleetPassword), "search_path", schema)), "work")
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4", "tcp_user_timeout": "30000",
	} {
		if got := show(t, c.conn, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestDurableWhateverTheServerSays: a role that is set to hear of a commit before
// it is on disk.
func TestDurableWhateverTheServerSays(t *testing.T) {
	u := newURL(t)
	put(t, open(t, u), "work", "x")
	query(t, u, `CREATE TABLE seen (value text);
		CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
		CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON codexauth_records FOR EACH ROW EXECUTE FUNCTION see()`)
	t.Cleanup(func() { admin(t, "ALTER ROLE fleet RESET ALL") })
	for set, want := range map[string]string{"off": "on", "local": "on", "remote_write": "on", "remote_apply": "remote_apply"} {
		admin(t, "ALTER ROLE fleet SET synchronous_commit = '"+set+"'")
		s := open(t, u)
		c := mustClaim(t, s, "work")
		mustCommit(t, c, "note")
		terminate(t, c)
		mustCommit(t, c, "late")
		if err := c.Delete(patient(t)); err != nil {
			t.Error(err)
		}
		mustRelease(t, c)
		got := query(t, u, "WITH gone AS (DELETE FROM seen RETURNING value) SELECT string_agg(value, ' ') FROM gone WHERE $1", true)[0]
		if all := fmt.Sprintf("%[1]s %[1]s %[1]s", want); got != all {
			t.Errorf("with synchronous_commit = %s the commits ran with %q, want %q", set, got, all)
		}
		put(t, s, "work", "x")
		query(t, u, "DELETE FROM seen")
	}
}

// TestNoTransactionIsOpen while a claim is held: it would hold up vacuum, and
// a time-out could end it.
func TestNoTransactionIsOpen(t *testing.T) {
	c := mustClaim(t, open(t, newURL(t)), "work")
	mustCommit(t, c, "note")
	state := admin(t, "SELECT state, xact_start IS NULL FROM pg_stat_activity WHERE pid = $1", int32(c.conn.PID()))
	if state[0] != "idle" || state[1] != true {
		t.Errorf("the claim's session is %v", state)
	}
}

// TestCancelledAtTheGrant: a wait that is cancelled about when the lock becomes
// free leaves no lock behind, whoever wins.
func TestCancelledAtTheGrant(t *testing.T) {
	place := newPlace(t)
	s := place.Open()
	storetest.CancelledAtTheGrant(t, place, waiting(t, 1), func() {
		until(t, "the lock is free", func() bool {
			next, err := s.Claim(expired(t), "work")
			if err != nil {
				wantError(t, err, codexauth.ErrBusy)
				return false
			}
			mustRelease(t, next)
			return true
		})
	})
	until(t, "no lock is left", func() bool {
		return admin(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND $1", true)[0] == int64(0)
	})
}

// waiting reports whether n sessions wait for an advisory lock.
func waiting(t testing.TB, n int64) func() bool {
	return func() bool {
		return admin(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND $1", true)[0] == n
	}
}
