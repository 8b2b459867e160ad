//go:build !linux

package rig

// isolate does nothing here.
func (r *Run) isolate() (code int, done bool) { return 0, false }

// Isolated reports whether mounts are this run's own.
func (r *Run) Isolated() bool { return false }
