// Package etcd keeps records in an etcd cluster (3.4 or newer), for logins that
// several machines share. It talks to etcd's JSON gateway with the standard
// library alone.
//
// A claim is the first place in a queue: the oldest of several keys, each with a
// lease of its own. Its holder keeps the lease alive, every five seconds, until it
// releases the claim. A lease ends thirty seconds after a holder has vanished, but
// also if it merely stood still or was cut off for as long as that: then the note
// in the record keeps its successor from sending the same token at once, and since
// a commit compares the record and needs no lease, it can still save what it
// received. On one machine, in one process namespace, waiters see that a holder
// has died, and don't wait for its lease.
//
// Who waits with [Store.Await] learns of a commit or a release through a watch, and
// takes no place in the queue.
//
// # What it needs
//
// A user who may read and write what begins with the prefix (DefaultPrefix, unless
// the address names another):
//
//	etcdctl role add codexauth
//	etcdctl role grant-permission codexauth --prefix=true readwrite codexauth/
//	etcdctl user add fleet
//	etcdctl user grant-role fleet codexauth
//
// Anyone who may read that has the logins. etcd keeps old revisions until they are
// compacted, so let it compact by itself, and seal the records (package seal).
//
// The gateway ignores the common name of a client certificate, and refuses
// certificates that have one where etcd authenticates: name a user.
//
// Reads are linearizable, and a commit is on the disks of most members when it
// returns. A cluster that was restored from a backup has an old record, whose token
// is spent: docs/etcd.md says what to do.
package etcd
