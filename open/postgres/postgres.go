// Package postgres lets package open find logins in a PostgreSQL database.
package postgres

import (
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/store/postgres"
)

// Kind is for codexauth/open: it links the client of PostgreSQL.
func Kind() place.Kind { return place.Kind{Link: place.PostgreSQL, Open: open} }

// open opens a store in a database. The PG* variables that complete its address reach
// the process that rotates as they reached this one, by environment.
func open(p *place.Place, address, _ string) error {
	store, err := postgres.Open(address)
	if err != nil {
		return hint.Usage(err.Error(), "an address is postgres://USER@HOST/DATABASE?sslmode=verify-full, and PGPASSWORD or a password file holds the password")
	}
	p.Store, p.LockDir = store, place.LocalDir(store.String())
	return nil
}
