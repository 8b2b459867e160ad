package sharing

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const (
	// patience is longer than what a scanner takes for a small file by far.
	patience = 5 * time.Second
	maxPause = 4 * time.Millisecond // so that no gap of some milliseconds is missed for long
)

// Retry calls do until its error is not that another program has the file open,
// for some five seconds at most. The pauses are short and of random length: a
// program that opens the file again and again leaves short gaps.
func Retry(do func() error) error {
	end := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		err := do()
		if !Violated(err) || time.Now().After(end) {
			return err
		}
		time.Sleep(pause/2 + rand.N(pause))
	}
}

// Violated reports whether err may be due to another program that has the file
// open, or that is removing it. "Access denied" is one of these errors, and has
// other causes as well.
func Violated(err error) bool {
	for _, target := range [...]error{
		windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_ACCESS_DENIED,
		windows.ERROR_USER_MAPPED_FILE, windows.ERROR_DELETE_PENDING,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Held reports whether err says for certain that another program has the file open.
func Held(err error) bool {
	return Violated(err) && !errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// LookAgain calls do, and again for an instant while it says that a file is
// missing: one that is just being replaced can be missing. Only where neighbour
// exists is it believed to be there, so that what nobody ever made costs no time.
func LookAgain(neighbour string, do func() error) error {
	const instant, pause = 50 * time.Millisecond, 5 * time.Millisecond
	end := time.Now().Add(instant)
	for {
		err := do()
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(end) {
			return err
		}
		if _, missing := os.Lstat(neighbour); missing != nil {
			return err
		}
		time.Sleep(pause)
	}
}
