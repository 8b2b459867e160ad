//go:build !linux

package resident

// AdoptOrphans is for the first process of a container of Linux.
func AdoptOrphans() (stop func()) { return func() {} }
