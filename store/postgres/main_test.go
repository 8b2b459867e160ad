package postgres

import (
	"context"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"codexauth"
	"codexauth/internal/rig/pgserver"
	"codexauth/store/storetest"
)

const fleetPassword = pgserver.FleetPassword

// testServer is what all tests share; missing says why there is none.
var (
	testServer *pgserver.Server
	missing    error
)

func TestMain(m *testing.M) {
	storetest.Main(func(place string) (codexauth.Store, error) { return Open(place) })
	testServer, missing = pgserver.Start(pgserver.Options{NoSync: true, Chatty: true})
	code := m.Run()
	testServer.Stop()
	os.Exit(code)
}

// needServer skips the test where there is no server, or fails it where
// CODEXAUTH_E2E_REQUIRED=1 says that there must be one.
func needServer(t testing.TB) *pgserver.Server {
	t.Helper()
	if missing != nil {
		unavailable(t, missing.Error())
	}
	return testServer
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// with adds a parameter to a connection string.
func with(u *url.URL, name, value string) *url.URL {
	next := *u
	query := next.Query()
	query.Set(name, value)
	next.RawQuery = query.Encode()
	return &next
}

// admin runs SQL as the superuser and returns the first row's values.
func admin(t testing.TB, sql string, args ...any) []any {
	t.Helper()
	return query(t, needServer(t).Socket("admin"), sql, args...)
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
