// Package reserved names the records of a store that are no logins. No login can have
// such a name, and no list of logins shows one.
package reserved

import "strings"

// mark is a control character that nobody types as a profile's name.
const mark = "\x1d"

// The records.
const (
	Keys    = mark + "codexauth keys"      // the hashes of a broker's keys
	KeyUses = mark + "codexauth keys used" // when each was used last
)

// Is reports whether a name is reserved: one of these, or of a version to come.
func Is(name string) bool { return strings.HasPrefix(name, mark) }

// Without is a list of a store's keys without those that are no logins.
func Without(keys []string) (logins []string) {
	for _, key := range keys {
		if !Is(key) {
			logins = append(logins, key)
		}
	}
	return logins
}
