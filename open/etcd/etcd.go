// Package etcd lets package open find logins in an etcd cluster.
package etcd

import (
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/store/etcd"
)

// Kind is for codexauth/open: it links the client of etcd.
func Kind() place.Kind { return place.Kind{Link: place.Etcd, Open: open} }

// open opens a store in an etcd cluster. The variables that complete its address reach
// the process that rotates by environment; paths in the address are made absolute for
// it.
func open(p *place.Place, address, _ string) error {
	store, err := etcd.Open(address)
	if err != nil {
		return hint.Usage(err.Error(), "an address is etcds://USER@HOST:2379,HOST:2379/PREFIX?cacert=FILE&passfile=FILE, and CODEXAUTH_ETCD_PASSWORD or the passfile holds the password")
	}
	p.Store, p.Address, p.LockDir = store, store.Address(), place.LocalDir(store.String())
	return nil
}
