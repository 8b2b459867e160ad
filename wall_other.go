//go:build !(linux && amd64)

package codexauth

import "time"

// wallNow is the wall clock in Unix nanoseconds.
func wallNow() int64 { return time.Now().UnixNano() }
