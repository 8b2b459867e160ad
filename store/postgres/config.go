package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// connectTimeout is how long one host may take where connect_timeout is not given.
	connectTimeout = 10 * time.Second
	// idleTime is when an idle connection is closed where pool_max_conn_idle_time
	// is not given: a hundred runners must not hold a hundred of them.
	idleTime = time.Minute
	// lifeTime is how long a connection is used where pool_max_conn_lifetime is not given.
	lifeTime = time.Hour
	// maxConns is how many there are at most where pool_max_conns is not given.
	maxConns = 4
)

// config is what a connection string says.
type config struct {
	conn *pgconn.Config
	pool poolRules
}

var errForm = errors.New("the connection string, or a PG* variable, has a form or a value that is not allowed; want postgres://user:password@host:5432/database?sslmode=verify-full, with special characters percent-encoded, or host=… dbname=… user=…")

// parse reads a connection string and sets what it leaves open.
func parse(connString string) (*config, error) {
	if err := checkURL(connString); err != nil {
		return nil, err
	}
	conn, err := pgconn.ParseConfig(connString)
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("the connection string names a file (certificate, key or service file) that can't be read: %w", path.Err)
	}
	if err != nil { // its text and its fields hold the string
		return nil, errForm
	}
	cfg := &config{conn: conn}
	if cfg.pool, err = takePoolRules(conn.RuntimeParams); err != nil {
		return nil, err
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = applicationName()
	}
	if conn.ValidateConnect == nil && len(hosts(conn)) > 1 {
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	conn.DialFunc = dial
	return cfg, nil
}

// checkURL refuses a URL whose password holds an unencoded @, / or ?: parts of it
// would be taken for a host or a database, and named in errors.
func checkURL(connString string) error {
	scheme, rest, ok := strings.Cut(connString, "://")
	if !ok || strings.ContainsAny(scheme, "= ") {
		return nil
	}
	if at := strings.LastIndexByte(rest, '@'); at > 0 && strings.ContainsAny(rest[:at], "@/?") {
		return errors.New("the connection string has an @, / or ? before its last @: percent-encode them (%40, %2F, %3F), or give the password by PGPASSWORD or the password file")
	}
	return nil
}

// dial connects with keep-alives that notice a server's host that vanished.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	return dialer.DialContext(ctx, network, address)
}

// applicationName is how a database's administrators, and those who wait for a
// claim, find this process. The server keeps 63 bytes of it.
func applicationName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("codexauth %.40s:%d", host, os.Getpid())
}

// describe names the place without saying who goes there.
func describe(cfg *pgconn.Config) string {
	place := url.URL{Scheme: "postgres", Path: "/" + cfg.Database}
	query := url.Values{}
	if all := hosts(cfg); strings.HasPrefix(all[0], "/") || strings.HasPrefix(all[0], "@") {
		query.Set("host", strings.Join(all, ","))
	} else {
		place.Host = strings.Join(all, ",")
	}
	if path := cfg.RuntimeParams["search_path"]; path != "" {
		query.Set("search_path", path)
	}
	place.RawQuery = query.Encode()
	return place.String()
}

// hosts returns the distinct servers that may be tried, with ports other than
// the usual one.
func hosts(cfg *pgconn.Config) []string {
	var all []string
	add := func(host string, port uint16) {
		if port != 5432 {
			host = net.JoinHostPort(host, strconv.Itoa(int(port)))
		} else if strings.Contains(host, ":") { // an IPv6 address
			host = "[" + host + "]"
		}
		if !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	add(cfg.Host, cfg.Port)
	for _, other := range cfg.Fallbacks {
		add(other.Host, other.Port)
	}
	return all
}
