// Package every links each kind of place.
package every

import (
	"codexauth/internal/place"
	"codexauth/open/etcd"
	"codexauth/open/keyring"
	"codexauth/open/postgres"
)

// Kinds are all kinds of stores. A key is opened by who can ask a person for it.
func Kinds() []place.Kind { return []place.Kind{keyring.Kind(), postgres.Kind(), etcd.Kind()} }
