// Package address says what is known of an address without asking anybody. A store's
// may hold a password: on the command line everybody on the machine can read it, in
// the list of processes, so it never stands in anything that this program says.
package address

import (
	"net/url"
	"strings"
)

// HoldsPassword reports whether the address of a database has a password in it. The
// other kinds of store refuse one.
func HoldsPassword(address string) bool {
	if !strings.HasPrefix(address, "postgres") {
		return false
	}
	u, err := url.Parse(address)
	if err != nil { // an unencoded character of a password, more likely than not
		return strings.Contains(address, "@")
	}
	_, given := u.User.Password()
	for name := range u.Query() {
		given = given || strings.Contains(strings.ToLower(name), "password")
	}
	return given
}

// WithoutPassword is address for those who are to know where the store is and not
// how to open it.
func WithoutPassword(address string) string {
	if !HoldsPassword(address) {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return "postgres:" // of what can't be taken apart nothing is told
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// HasOwnKey reports whether what is kept at an address is sealed with a key of its
// own, or kept by somebody else: then a key that the person names is not for it.
func HasOwnKey(address string) bool {
	return strings.HasPrefix(address, "keyring:") || strings.HasPrefix(address, "broker+")
}
