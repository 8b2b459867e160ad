// Package disk examines a directory without leaving a trace in it.
package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrUnknown: this system, or the file system, does not tell.
var ErrUnknown = errors.New("this system does not tell")

// Existing returns dir or, where that does not exist, the nearest directory above
// it that does: it is there that dir would be made.
func Existing(dir string) string {
	for {
		_, err := os.Stat(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// Writable finds out whether files can be made in dir. On Linux it makes one that
// has no name, writes a block and syncs it, so that a full disk and a quota show;
// elsewhere it asks for permission only. The error is the system's, or
// [ErrUnknown].
func Writable(dir string) error { return writable(dir) }

// Network returns the name of the network or shared file system that dir is on,
// such as "nfs", and "" for a local one. The error is the system's, or
// [ErrUnknown].
func Network(dir string) (name string, err error) { return network(dir) }

// Free returns how many bytes an ordinary user can still write on the file system
// of dir; known is false where the system does not tell.
func Free(dir string) (bytes uint64, known bool) { return free(dir) }
