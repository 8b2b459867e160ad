// Command client is a program that uses the library: it asks one Manager for
// tokens from many goroutines at once and prints each different token.
//
//	client -store ADDRESS -issuer URL [-goroutines N] [-for DURATION] [-idle] [-strict]
//	client -store ADDRESS -issuer URL -ask PATH [-for DURATION]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run() error {
	address := flag.String("store", "", "address of the store, as the command line takes it")
	issuer := flag.String("issuer", "", "authorization server")
	goroutines := flag.Int("goroutines", 1, "how many ask at once")
	length := flag.Duration("for", 0, "ask again and again for so long, and fail only if none was got at the end")
	times := flag.Bool("times", false, "print, instead of tokens, when one was rotated and when it was had, in Unix nanoseconds; after a while, as a program that stays does not use the time of those that still wait")
	idle := flag.Bool("idle", false, "with -for: ask at the beginning and at the end only")
	strict := flag.Bool("strict", false, "fail if ever a token comes that has ended by this clock")
	path := flag.String("ask", "", "ask the backend at this `PATH` for as long as -for says, and print how often each status was the answer")
	flag.Parse()
	at := &place.Place{Profile: codexauth.DefaultKey, Provider: codexauth.Provider{Issuer: *issuer}}
	if err := at.Open(*address, every.Kinds()); err != nil {
		return err
	}
	defer at.Close()
	cfg := at.Config()
	var said journal
	if *times {
		cfg.OnEvent = func(e codexauth.Event) {
			if e.Kind == codexauth.EventRefreshed && e.Here {
				said.note("rotated", e.At)
			}
		}
	}
	m, err := codexauth.NewManager(cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	if *path != "" {
		ask(m, *path, *length)
		return nil
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	ended := 0
	tokens := map[string]bool{}
	end := time.Now().Add(*length)
	for range *goroutines {
		wg.Go(func() {
			for {
				t, err := m.Token(context.Background())
				if *times && err == nil {
					said.note("had", time.Now())
				}
				mu.Lock()
				if *strict && err == nil && !t.Expiry.After(time.Now()) {
					ended++
				}
				if err != nil || *length > 0 {
					failed = err
				}
				if err == nil {
					tokens[t.AccessToken.Reveal()] = true
				}
				mu.Unlock()
				if time.Now().After(end) {
					return
				}
				if *idle {
					time.Sleep(time.Until(end))
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if *times {
		time.Sleep(stay)
		said.print()
	}
	if ended > 0 {
		return fmt.Errorf("%d tokens that had ended", ended)
	}
	for t := range tokens {
		if !*times {
			fmt.Println(t)
		}
	}
	return failed
}

// stay is how long a program with -times lives on.
const stay = 2 * time.Second

// journal is what happened, and when.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(what string, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintln(what, at.UnixNano()))
}

func (j *journal) print() {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Print(strings.Join(j.lines, ""))
}
