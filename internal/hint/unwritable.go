package hint

import (
	"errors"
	"io/fs"
	"syscall"

	"codexauth/internal/sysfail"
)

// Mend is err with what to do about a place that could not be written before then is
// done; with otherwise, unless that is empty, where err does not say that one could not.
func Mend(err error, then, otherwise string) error {
	if what := unwritable(err); what != "" {
		return With(err, what+", then "+then)
	}
	if otherwise != "" {
		return With(err, otherwise)
	}
	return err
}

func unwritable(err error) string {
	switch {
	case sysfail.DiskFull(err):
		return "free some space on that disk"
	case errors.Is(err, syscall.EFBIG):
		return "raise the limit on the size of files (ulimit -f)"
	case sysfail.ReadOnly(err):
		return "make that file system writable"
	case errors.Is(err, fs.ErrPermission):
		return "let this user write there"
	}
	return ""
}
