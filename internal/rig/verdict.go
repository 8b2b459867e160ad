package rig

import (
	"fmt"
	"slices"
)

// A Verdict is one figure beside what it must reach.
type Verdict struct {
	What  string
	Got   float64
	Bound float64
	Least bool // Bound is the least, not the most
	Speed bool // judged in the full run only
}

func (v Verdict) ok() bool {
	if v.Least {
		return v.Got >= v.Bound
	}
	return v.Got <= v.Bound
}

// missed: the quick run does not judge speed.
func (v Verdict) missed(quick bool) bool { return !v.ok() && !(v.Speed && quick) }

// line is what is printed. A figure that falls short and is not judged is only slow.
func (v Verdict) line(quick bool) string {
	mark, word := "ok  ", "at most"
	if v.Least {
		word = "at least"
	}
	switch {
	case v.missed(quick):
		mark = "MISS"
	case !v.ok():
		mark = "slow"
	}
	return fmt.Sprintf("%s %-78s %8.2f  (%s %.2f)", mark, v.What, v.Got, word, v.Bound)
}

// Median is the middle one of some values.
func Median(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	return s[len(s)/2]
}
