// Package sharing waits for files that another program has open. On Windows such a
// file can't be replaced or removed, and often not be opened, for as long as a
// reader, a virus scanner or an indexer holds it: as a rule some milliseconds.
// Elsewhere nobody holds up anybody, and each of these functions is a single call.
package sharing

import "os"

// Remove is os.Remove, tried again while another program has the file open.
func Remove(path string) error {
	return Retry(func() error { return os.Remove(path) })
}
