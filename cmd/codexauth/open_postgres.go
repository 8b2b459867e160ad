package main

import "codexauth/store/postgres"

// openPostgres opens a store in a database. The PG* variables that complete its
// address reach the process that rotates as they reached this one, by environment.
func (p *place) openPostgres(address string) error {
	store, err := postgres.Open(address)
	if err != nil {
		return &usageError{err.Error(), "an address is postgres://USER@HOST/DATABASE?sslmode=verify-full, and PGPASSWORD or a password file holds the password"}
	}
	p.store, p.lockDir = store, localDir(store.String())
	return nil
}
