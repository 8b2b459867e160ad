// Command client is a program that uses the library: it asks one Manager for
// tokens from many goroutines at once and prints each different token.
//
//	client {-home DIR | -store etcd://…} -issuer URL [-goroutines N] [-for DURATION]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"codexauth"
	"codexauth/store/etcd"
	"codexauth/store/file"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func openStore(home, address string) (codexauth.Store, error) {
	if address != "" {
		return etcd.Open(address)
	}
	return file.Open(home)
}

func run() error {
	home := flag.String("home", "", "directory of the store")
	address := flag.String("store", "", "address of a store in etcd, instead of -home")
	issuer := flag.String("issuer", "", "authorization server")
	goroutines := flag.Int("goroutines", 1, "how many ask at once")
	length := flag.Duration("for", 0, "ask again and again for so long, and fail only if none was got at the end")
	flag.Parse()
	store, err := openStore(*home, *address)
	if err != nil {
		return err
	}
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Provider: codexauth.Provider{Issuer: *issuer}})
	if err != nil {
		return err
	}
	defer m.Close()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	tokens := map[string]bool{}
	end := time.Now().Add(*length)
	for range *goroutines {
		wg.Go(func() {
			for {
				t, err := m.Token(context.Background())
				mu.Lock()
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
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	for t := range tokens {
		fmt.Println(t)
	}
	return failed
}
