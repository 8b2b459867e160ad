package postgres

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/store/storetest"
)

// newSchema makes an empty schema that belongs to fleet, and drops it at the end.
func newSchema(t testing.TB) string {
	t.Helper()
	needServer(t)
	name := fmt.Sprintf("place_%d", time.Now().UnixNano())
	admin(t, "CREATE SCHEMA "+name+" AUTHORIZATION fleet")
	t.Cleanup(func() { admin(t, "DROP SCHEMA "+name+" CASCADE") })
	return name
}

// newURL is a place of its own, by the Unix socket.
func newURL(t testing.TB) *url.URL {
	t.Helper()
	schema := newSchema(t)
	return with(testServer.Socket("fleet"), "search_path", schema)
}

func open(t testing.TB, u *url.URL) *Store {
	t.Helper()
	s, err := Open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newPlace(t testing.TB) storetest.Place {
	u := newURL(t)
	return storetest.Place{
		Name: u.String(),
		Open: func() codexauth.Store { return open(t, u) },
		Overwrite: func(key string, record []byte) {
			query(t, u, `INSERT INTO codexauth_records (key, version, record) VALUES ($1, gen_random_uuid()::text, $2)
				ON CONFLICT (key) DO UPDATE SET version = excluded.version, record = excluded.record`, []byte(key), record)
		},
		Cut: func(c codexauth.Claim) { terminate(t, c.(*claim)) },
		Fill: func(keys []string, record []byte) {
			query(t, u, `INSERT INTO codexauth_records (key, version, record)
				SELECT convert_to(key, 'UTF8'), gen_random_uuid()::text, $2::bytea FROM unnest($1::text[]) key`, keys, record)
		},
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return newPlace(t) })
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, newPlace(b)) }

// BenchmarkLoadAmong shows that a Load costs the same however many records there are.
func BenchmarkLoadAmong(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u := newURL(b)
			s := open(b, u)
			put(b, s, "runner-1", strings.Repeat("r", 4400))
			query(b, u, `INSERT INTO codexauth_records (key, version, record)
				SELECT convert_to('runner-' || i, 'UTF8'), gen_random_uuid()::text, convert_to(repeat('r', 4400), 'UTF8')
				FROM generate_series(2, $1::int) i`, n)
			for b.Loop() {
				if _, err := s.Load(b.Context(), "runner-1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is the start of a program: connect, and read one record.
func BenchmarkOpen(b *testing.B) {
	needServer(b)
	schema := newSchema(b)
	for name, u := range map[string]*url.URL{"socket": testServer.Socket("fleet"), "tcp": testServer.TCP("fleet", fleetPassword)} {
		b.Run(name, func(b *testing.B) {
			u := with(u, "search_path", schema)
			put(b, open(b, u), "work", strings.Repeat("r", 4400))
			for b.Loop() {
				s, err := Open(u.String())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Load(b.Context(), "work"); err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// As in the tests of the other stores.
var (
	patient, expired        = check.Patient, check.Expired
	mustClaim, put, until   = check.Claims[*Store, *claim], check.Puts[*Store], check.Until
	mustCommit, mustRelease = check.Commit, check.Release
	wantLoad, wantError     = check.Loads[*Store], check.Error
)

func TestBusyNamesHolder(t *testing.T) {
	place := newPlace(t)
	holder := storetest.StartHolder(t, place)
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	_, err = place.Open().Claim(expired(t), "shared")
	wantError(t, err, codexauth.ErrBusy, `"shared"`, fmt.Sprintf("codexauth %.40s:%d", host, holder.Process.Pid))

	s := place.Open().(*Store)
	mustClaim(t, s, "mine")
	_, err = s.Claim(expired(t), "mine") // whoever has this Store's turn
	wantError(t, err, codexauth.ErrBusy, fmt.Sprintf(":%d\"", os.Getpid()))

	tcp := with(testServer.TCP("fleet", fleetPassword), "search_path", searchPath(t, s))
	mustClaim(t, open(t, tcp), "far")
	_, err = s.Claim(expired(t), "far")
	wantError(t, err, codexauth.ErrBusy, "at 127.0.0.1")
}

func searchPath(t testing.TB, s *Store) string {
	t.Helper()
	u, err := url.Parse(s.String())
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("search_path")
}

// A pool that is all taken does not keep claims, readers or a late save waiting.
func TestPoolOfOne(t *testing.T) {
	s := open(t, with(newURL(t), "pool_max_conns", "1"))
	var claims []*claim
	for _, key := range []string{"a", "b", "c"} {
		c := mustClaim(t, s, key)
		mustCommit(t, c, key)
		claims = append(claims, c)
	}
	wantLoad(t, s, "b", "b")
	terminate(t, claims[2])
	mustCommit(t, claims[2], "late")
	wantLoad(t, s, "c", "late")
}

// TestNew: connections that the program makes itself.
func TestNew(t *testing.T) {
	u := newURL(t)
	made := 0
	s := New("the fleet's database", func(ctx context.Context) (*pgconn.PgConn, error) {
		made++
		return pgconn.Connect(ctx, u.String())
	})
	defer s.Close()
	put(t, s, "work", "x\x00\xff")
	wantLoad(t, s, "work", "x\x00\xff")
	c := mustClaim(t, s, "work")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := open(t, u).Claim(ctx, "work")
	wantError(t, err, codexauth.ErrBusy)
	_, err = s.Claim(expired(t), "work")
	wantError(t, err, codexauth.ErrBusy, "the fleet's database")
	if err := c.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	mustRelease(t, c)
	if made == 0 {
		t.Error("it made connections of its own")
	}
}

func TestTooLarge(t *testing.T) { storetest.TooLarge(t, newPlace(t), maxRecord, maxKey) }

// TestReleased: an error says what is wrong. storetest sees that nothing changes.
func TestReleased(t *testing.T) {
	c := mustClaim(t, open(t, newURL(t)), "work")
	mustRelease(t, c)
	wantError(t, c.Commit(t.Context(), []byte("y")), nil, "released")
	wantError(t, c.Delete(t.Context()), nil, "released")
	_, err := c.Reload(t.Context())
	wantError(t, err, nil, "released")
}
