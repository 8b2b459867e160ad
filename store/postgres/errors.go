package postgres

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"codexauth"
	"codexauth/internal/sysfail"
)

var (
	errStandby = errors.New("the server is a standby, which may be behind and whose locks bind nobody: name the primary, or all hosts with target_session_attrs=primary")
	errPooler  = errors.New("a connection pooler (PgBouncer or the like) sits in front of the server, and a lock's session would be another's or outlive its holder: connect to the server's own host and port")
	errNoLock  = errors.New("the server said that it granted an advisory lock, and does not have it: it is not PostgreSQL, or something between takes connections for one another")
)

// told is an error with a text of its own.
type told struct {
	text string
	err  error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.err }

// Is matches what may well work later.
func (e *told) Is(target error) bool { return target == codexauth.ErrTransient && passes(e.err) }

// SQLSTATE codes that mean something to a person here.
const (
	lockNotAvailable = "55P03"
	undefinedTable   = "42P01"
	noSchema         = "3F000"
	undefinedObject  = "42704"
	invalidParameter = "22023"
	noPrivilege      = "42501"
	badPassword      = "28P01"
	badLogin         = "28000"
	noDatabase       = "3D000"
	tooMany          = "53300"
	starting         = "57P03"
	stopping         = "57P01"
	crashing         = "57P02"
	readOnly         = "25006"
)

func state(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

func isMissingTable(err error) bool { return state(err) == undefinedTable }
func isLockTimeout(err error) bool  { return state(err) == lockNotAvailable }

// isTimeout: waiting for a free connection tells it in one way, a connection in
// another.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err)
}

// passes reports whether the network or the server is to blame, and not what
// was asked of it.
func passes(err error) bool {
	switch s := state(err); s {
	case tooMany, starting, stopping, crashing:
		return true
	case "":
	default:
		return strings.HasPrefix(s, "08") // of the connection
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return !name.IsNotFound // spelled wrong?
	}
	var network *net.OpError
	return isTimeout(err) || errors.As(err, &network) || sysfail.HungUp(err)
}

// explain says what happened and what to do. The driver's own error of a failed
// connection holds the whole configuration, password included, and is dropped.
func explain(err error) error {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		err = connecting.Unwrap()
		switch state(err) {
		case undefinedObject, invalidParameter: // the server's text repeats it
			return errors.New("the server does not accept a parameter of the connection string (SQLSTATE " + state(err) + "): is a name misspelled?")
		}
		return &told{"no connection: " + oneLine(err) + advice(err), err}
	}
	if hint := advice(err); hint != "" || passes(err) {
		return &told{oneLine(err) + hint, err}
	}
	return err
}

func advice(err error) string {
	switch state(err) {
	case badPassword, badLogin:
		return "; check the user, its password (PGPASSWORD, the password file) and the server's pg_hba.conf"
	case noDatabase:
		return "; create it, or check the connection string"
	case noPrivilege, noSchema:
		return "; have the database's owner create the tables and grant their use (package postgres says how), and check the search_path"
	case tooMany:
		return "; raise max_connections or lower pool_max_conns"
	case starting, stopping, crashing:
		return "; try again in a moment"
	case readOnly:
		return "; the primary is needed, and a role that may write"
	case undefinedTable:
		return "; the tables were removed, or the search_path leads elsewhere"
	}
	if isTimeout(err) {
		return "; is the server there, and reachable from here?"
	}
	return ""
}

// oneLine joins the driver's lines, one for each address and way of connecting,
// which often say the same.
func oneLine(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(slices.Compact(lines), "; ")
}
