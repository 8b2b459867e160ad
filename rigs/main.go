// Command bench proves and measures, with real processes of the built programs
// and the sandbox as the judge. Each rig prints its counts and its verdicts, and
// the exit code is 1 if one of them is missed.
//
//	go run ./bench [--quick] [--only TEXT] [RIG…]
//
// Without a name all rigs run. --quick (or BENCH_QUICK=1) is for CI: fewer
// rounds, and no verdict on speed, of which a shared machine says nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A rig is one subcommand.
type rig struct {
	name, help string
	needs      []string // programs to build, see programs
	run        func(*bench) ([]verdict, error)
}

func rigs() []rig {
	return []rig{
		{"token", "the cached token against the clock and x/oauth2", nil, token},
		{"start", "the start of `codexauth token` against a program that prints a line", []string{"codexauth", "hello", "measure"}, start},
		{"size", "the stripped binary", []string{"codexauth"}, size},
		{"storm", "many processes at once on one expired credential", []string{"codexauth", "client"}, storm},
		{"kill", "SIGKILL at every step of a rotation, a sign-in, a sign-out and a move, and at random", []string{"codexauth", "faultpoints"}, kill},
		{"kill-oidc", "the same against npm's oidc-provider, which revokes a whole login when a token is reused", []string{"codexauth", "faultpoints"}, killForeign},
		{"disk", "a disk that is full, read-only, failing, or gone; a power cut", []string{"codexauth", "faultpoints"}, disk},
		{"network", "whatever can happen to a request", []string{"codexauth", "client"}, network},
		{"stop", "a refreshing process that stands still", []string{"codexauth", "faultpoints", "client"}, stop},
		{"people", "signing in and out, and moving a login, while a refresh is on its way", []string{"codexauth", "faultpoints"}, people},
		{"broker", "`codexauth serve` and `exec` against a bare reverse proxy, a constant and a program that prints a line", []string{"codexauth", "hello", "load"}, broker},
		{"fleet", "one login shared through a database server, which breaks, and by machines of a network that does", []string{"codexauth", "faultpoints", "client"}, fleet},
		{"clock", "a wall clock that is an hour wrong or jumps; a machine that was suspended", []string{"codexauth", "shifted", "shiftclient"}, clock},
	}
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == forwardCommand {
		os.Exit(forward(os.Args[2], os.Args[3]))
	}
	os.Exit(run())
}

func run() int {
	quick := flag.Bool("quick", os.Getenv("BENCH_QUICK") == "1", "fewer rounds, and no verdict on speed")
	only := flag.String("only", "", "of disk, network, stop, people, clock, fleet and broker: only what has this in its name")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench [--quick] [--only TEXT] [RIG…]")
		for _, r := range rigs() {
			fmt.Fprintf(os.Stderr, "  %-9s %s\n", r.name, r.help)
		}
	}
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	b, err := newBench(*quick, chosen)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer b.close()
	b.only = *only
	if code, done := b.isolate(); done {
		return code
	}
	var failed []string
	for _, r := range chosen {
		if !b.judge(r) {
			failed = append(failed, r.name)
		}
	}
	if len(failed) > 0 {
		fmt.Fprintln(os.Stderr, "bench: failed:", strings.Join(failed, ", "))
		return 1
	}
	return 0
}

func choose(names []string) ([]rig, error) {
	if len(names) == 0 {
		return rigs(), nil
	}
	var chosen []rig
	for _, name := range names {
		i := slices.IndexFunc(rigs(), func(r rig) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no rig %q; bench -h lists them", name)
		}
		chosen = append(chosen, rigs()[i])
	}
	return chosen, nil
}

// judge runs one rig and reports whether nothing was missed.
func (b *bench) judge(r rig) bool {
	fmt.Printf("== %s: %s\n", r.name, r.help)
	began := time.Now()
	verdicts, err := r.run(b)
	ok := err == nil
	for _, v := range verdicts {
		fmt.Println(v.line(b.quick))
		ok = ok && !v.missed(b.quick)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", r.name, err)
	}
	fmt.Printf("== %s: %v\n\n", r.name, time.Since(began).Round(100*time.Millisecond))
	return ok
}

// pick returns what the quick run takes, or what the full one does.
func pick[T any](b *bench, quick, full T) T {
	if b.quick {
		return quick
	}
	return full
}
