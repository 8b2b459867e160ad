//go:build !unix

package broker

import "math"

func maxFiles() uint64 { return math.MaxInt32 }
