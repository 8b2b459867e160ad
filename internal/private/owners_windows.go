package private

import "io/fs"

// Owners knows nothing: modes and user numbers say nothing about who may read a
// file on Windows.
func Owners(fs.FileInfo) (owner, me int, known bool) { return 0, 0, false }
