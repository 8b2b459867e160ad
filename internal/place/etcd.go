package place

import (
	"codexauth/internal/hint"
	"codexauth/store/etcd"
)

// openEtcd opens a store in an etcd cluster. The variables that complete its
// address reach the process that rotates by environment; paths in the address are
// made absolute for it.
func (p *Place) openEtcd(address string) error {
	store, err := etcd.Open(address)
	if err != nil {
		return hint.Usage(err.Error(), "an address is etcds://USER@HOST:2379,HOST:2379/PREFIX?cacert=FILE&passfile=FILE, and CODEXAUTH_ETCD_PASSWORD or the passfile holds the password")
	}
	p.Store, p.Address, p.LockDir = store, store.Address(), localDir(store.String())
	return nil
}
