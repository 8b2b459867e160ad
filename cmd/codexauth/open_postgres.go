package main

import "codexauth/store/postgres"

// openPostgres opens a store in a database. Its PG* variables reach the child
// that rotates by its environment, as they reached this process.
func (p *place) openPostgres(address string) error {
	store, err := postgres.Open(address)
	if err != nil {
		return &usageError{err.Error(), "the guide to fleets shows addresses"}
	}
	p.store, p.lockDir = store, localDir(store.String())
	return nil
}
