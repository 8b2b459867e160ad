package main

import (
	"fmt"
	"slices"
)

// verdict is one figure beside what it must reach.
type verdict struct {
	what  string
	got   float64
	bound float64
	least bool // bound is the least, not the most
	speed bool // judged in the full run only
}

func (v verdict) ok() bool {
	if v.least {
		return v.got >= v.bound
	}
	return v.got <= v.bound
}

// missed: the quick run does not judge speed.
func (v verdict) missed(quick bool) bool { return !v.ok() && !(v.speed && quick) }

// line is what is printed. A figure that falls short and is not judged is only slow.
func (v verdict) line(quick bool) string {
	mark, word := "ok  ", "at most"
	if v.least {
		word = "at least"
	}
	switch {
	case v.missed(quick):
		mark = "MISS"
	case !v.ok():
		mark = "slow"
	}
	return fmt.Sprintf("%s %-78s %8.2f  (%s %.2f)", mark, v.what, v.got, word, v.bound)
}

func median(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	return s[len(s)/2]
}
