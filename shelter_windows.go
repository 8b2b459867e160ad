package codexauth

import "path/filepath"

// sameFileSystem reports whether two directories are on one volume.
func sameFileSystem(a, b string) bool { return filepath.VolumeName(a) == filepath.VolumeName(b) }
