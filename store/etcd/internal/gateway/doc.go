// Package gateway is a small client of etcd's JSON gateway: ranges, transactions,
// leases and watches. It knows nothing of records and claims.
package gateway
