// Command bench measures what codexauth costs, as ratios against what a user
// would use instead, in one run. Each subcommand prints its verdict and exits
// with 1 if a target is missed.
//
//	go run ./bench token    the cached token against the clock and x/oauth2
//	go run ./bench start    the start of `codexauth token` against a program that prints a line
//	go run ./bench storm    processes at once on one expired credential
//	go run ./bench size     the stripped binary
package main

import (
	"fmt"
	"os"
	"slices"
)

// verdict is one measured figure beside what it must reach.
type verdict struct {
	what  string
	got   float64
	bound float64
	least bool // bound is the least, not the most
}

func (v verdict) ok() bool {
	if v.least {
		return v.got >= v.bound
	}
	return v.got <= v.bound
}

func main() {
	runs := map[string]func() ([]verdict, error){
		"token": token, "start": start, "storm": storm, "size": size,
	}
	names := os.Args[1:]
	if len(names) == 0 {
		names = []string{"token", "start", "storm", "size"}
	}
	ok := true
	for _, name := range names {
		run := runs[name]
		if run == nil {
			fmt.Fprintf(os.Stderr, "bench: no %q; there are token, start, storm, size\n", name)
			os.Exit(2)
		}
		verdicts, err := run()
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", name, err)
			os.Exit(1)
		}
		for _, v := range verdicts {
			ok = ok && v.ok()
			fmt.Println(v)
		}
	}
	if !ok {
		os.Exit(1)
	}
}

func (v verdict) String() string {
	mark, word := "ok  ", "at most"
	if v.least {
		word = "at least"
	}
	if !v.ok() {
		mark = "MISS"
	}
	return fmt.Sprintf("%s %-66s %8.2f  (%s %.2f)", mark, v.what, v.got, word, v.bound)
}

func median(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	return s[len(s)/2]
}
