package place

import (
	"codexauth/internal/hint"
	"codexauth/store/postgres"
)

// openPostgres opens a store in a database. The PG* variables that complete its
// address reach the process that rotates as they reached this one, by environment.
func (p *Place) openPostgres(address string) error {
	store, err := postgres.Open(address)
	if err != nil {
		return hint.Usage(err.Error(), "an address is postgres://USER@HOST/DATABASE?sslmode=verify-full, and PGPASSWORD or a password file holds the password")
	}
	p.Store, p.LockDir = store, localDir(store.String())
	return nil
}
