package process

// Boot, pid namespace and pid do not name one process in the world: machines that
// were restored from one memory snapshot share them. Who uses a store that machines
// share therefore leaves a witness: a file of this machine, under a name that
// nobody can foresee, which its process keeps locked. Where the file is there and
// the lock is free, that process ran here and has ended. On a twin the file is
// missing, and a missing file proves nothing.

// Witness is such a file. The zero Witness is none.
type Witness struct {
	// Path is where it lies; empty if none could be made.
	Path string
	end  func()
}

// Remove takes the witness back, when there is nothing left to tell.
func (w Witness) Remove() {
	if w.end != nil {
		w.end()
	}
}

// Left reports whether the process that held the witness at path has ended, as
// this very machine knows it.
func Left(path string) bool { return path != "" && left(path) }
