// Package rig is what rigs and bench have in common: a program of named rigs, each
// of which prints its figures and its verdicts, and trials: logins of their own at
// sandboxes of their own, with real processes of the built programs.
//
// Nothing but tests, rigs and bench imports what is here and below.
package rig

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A Rig is one subcommand.
type Rig struct {
	Name, Help string
	Needs      []string // programs to build, see programs
	Play       func(*Run) ([]Verdict, error)
}

// Main is the main function of a program whose subcommands are rigs, and returns
// its exit code: 0 if no verdict was missed, 1 if one was, and 2 if the command
// line is invalid. Without a name all rigs run. In a quick run there are fewer
// rounds, and no verdict on speed, of which a shared machine says nothing.
func Main(program string, rigs []Rig) int {
	quick := flag.Bool("quick", false, "fewer rounds, and no verdict on speed")
	only := flag.String("only", "", "play only the parts whose name has this `TEXT` in it, of a rig that has parts")
	at := flag.String("at", "", "judge the programs of an older `COMMIT`: what it shows is what the proofs notice")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: go run ./%s [--quick] [--only TEXT] [--at COMMIT] [NAME…]\n\n", program)
		for _, r := range rigs {
			fmt.Fprintf(os.Stderr, "  %-9s %s\n", r.Name, r.Help)
		}
		fmt.Fprintln(os.Stderr)
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(rigs, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		return 2
	}
	run, err := newRun(*quick, *at, chosen)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		return 1
	}
	defer run.close()
	run.Only = *only
	if code, done := run.isolate(); done {
		return code
	}
	var failed []string
	for _, r := range chosen {
		if !run.judge(program, r) {
			failed = append(failed, r.Name)
		}
	}
	if len(failed) > 0 {
		fmt.Fprintf(os.Stderr, "%s: failed: %s\n", program, strings.Join(failed, ", "))
		return 1
	}
	return 0
}

func choose(rigs []Rig, names []string) ([]Rig, error) {
	if len(names) == 0 {
		return rigs, nil
	}
	var chosen []Rig
	for _, name := range names {
		i := slices.IndexFunc(rigs, func(r Rig) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown name %q; -h lists them all, and flags come before names", name)
		}
		chosen = append(chosen, rigs[i])
	}
	return chosen, nil
}

// judge plays one rig and reports whether nothing was missed.
func (r *Run) judge(program string, rig Rig) bool {
	fmt.Printf("== %s: %s\n", rig.Name, rig.Help)
	began := time.Now()
	verdicts, err := rig.Play(r)
	ok := err == nil
	for _, v := range verdicts {
		fmt.Println(v.line(r.Quick))
		ok = ok && !v.missed(r.Quick)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", program, rig.Name, err)
	}
	fmt.Printf("== %s: %v\n\n", rig.Name, time.Since(began).Round(100*time.Millisecond))
	return ok
}

// Pick returns what the quick run takes, or what the full one does.
func Pick[T any](r *Run, quick, full T) T {
	if r.Quick {
		return quick
	}
	return full
}
