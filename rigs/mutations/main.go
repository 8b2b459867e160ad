// Command mutations weakens one rule of the code after the other and has the test
// that holds the rule run each time: a test that still passes holds nothing. The
// files themselves are not changed (go test -overlay).
//
//	go run ./rigs/mutations [-only TEXT] [-j N] [GROUP…]
//
// Without a group all are taken; CI takes rotation. The exit code is 1 if one is
// not noticed, if the list is out of date, or if a test fails without any mutation.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A mutation is one change of the code that weakens a rule.
type mutation struct {
	file     string // from the module's root
	old, new string // old stands in the file exactly once
	rule     string // what the change weakens
	in       string // the package of the tests; empty: that of the file
	by       string // the tests that must notice, each of them
}

func groups() map[string][]mutation {
	return map[string][]mutation{
		"rotation": rotation(), "rescue": rescue(), "people": people(), "child": child(),
		"stores": stores(), "wire": wire(), "broker": broker(),
	}
}

func main() {
	only := flag.String("only", "", "take only the mutations whose rule or file has this `TEXT` in it")
	atOnce := flag.Int("j", runtime.NumCPU(), "how many are tried at once")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./rigs/mutations [-only TEXT] [-j N] [GROUP…]")
		fmt.Fprintln(os.Stderr, "groups:", strings.Join(groupNames(), " "))
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(flag.Args(), *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(2)
	}
	os.Exit(run(chosen, max(*atOnce, 1)))
}

func groupNames() (names []string) {
	for name := range groups() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func choose(names []string, only string) (chosen []mutation, err error) {
	if len(names) == 0 {
		names = groupNames()
	}
	for _, name := range names {
		group, ok := groups()[name]
		if !ok {
			return nil, fmt.Errorf("unknown group %q; there are %s, and flags come before them", name, strings.Join(groupNames(), ", "))
		}
		for _, m := range group {
			if strings.Contains(m.rule, only) || strings.Contains(m.file, only) {
				chosen = append(chosen, m)
			}
		}
	}
	return chosen, nil
}

func run(all []mutation, atOnce int) (code int) {
	began := time.Now()
	root, err := moduleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		return 1
	}
	temp, err := os.MkdirTemp("", "codexauth-mutations-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		return 1
	}
	defer os.RemoveAll(temp)
	b := &bench{root: root, temp: temp}
	if !b.testsPass(all) {
		return 1
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	counts := map[string]int{}
	for i, m := range all {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			v := b.try(i, m)
			mu.Lock()
			defer mu.Unlock()
			counts[v.mark]++
			fmt.Printf("%-9s %s: %s: %s\n", v.mark, m.file, m.rule, v.said)
		})
	}
	wg.Wait()
	fmt.Printf("\n%d mutations: %d noticed, %d survived, %d without a verdict, %d left out; %v\n", len(all),
		counts[noticed], counts[survived], counts[fault], counts[left], time.Since(began).Round(time.Second))
	if counts[survived]+counts[fault] > 0 {
		return 1
	}
	return 0
}

// moduleRoot is the directory of go.mod, here or above.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", fmt.Errorf("no go.mod here or above: run it in the module (%w)", os.ErrNotExist)
}
