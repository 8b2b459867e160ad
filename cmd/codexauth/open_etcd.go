package main

import "codexauth/store/etcd"

// openEtcd opens a store in an etcd cluster. The variables that complete its
// address reach the process that rotates by environment; paths in the address are
// made absolute for it.
func (p *place) openEtcd(address string) error {
	store, err := etcd.Open(address)
	if err != nil {
		return &usageError{err.Error(), "an address is etcds://USER@HOST:2379,HOST:2379/PREFIX?cacert=FILE&passfile=FILE, and CODEXAUTH_ETCD_PASSWORD or the passfile holds the password"}
	}
	p.store, p.address, p.lockDir = store, store.Address(), localDir(store.String())
	return nil
}
