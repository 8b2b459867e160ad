package toolfile

import (
	"os"
	"syscall"
)

// ManyNames reports whether the file at path has another name, by a hard link: what is
// put in its place under the one is not seen under the other.
func ManyNames(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var info syscall.ByHandleFileInformation
	return syscall.GetFileInformationByHandle(syscall.Handle(f.Fd()), &info) == nil && info.NumberOfLinks > 1
}
