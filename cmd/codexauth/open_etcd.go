package main

import "codexauth/store/etcd"

// openEtcd opens a store in an etcd cluster. It does not connect yet.
func (p *place) openEtcd(address string) error {
	store, err := etcd.Open(address)
	if err != nil {
		return &usageError{err.Error(), "check --store and CODEXAUTH_STORE; docs/etcd.md describes the address"}
	}
	p.store, p.address, p.lockDir = store, store.Address(), localDir(store.String())
	return nil
}
