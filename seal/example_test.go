package seal_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"codexauth"
	"codexauth/seal"
	"codexauth/store/memory"
)

// A key is made once; from then on every Manager of the store is given it.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	key := filepath.Join(dir, "key.txt")
	recipient, err := seal.WriteNew(key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("public key:", recipient[:7]+"…")

	sealer, err := seal.OpenFile(key, seal.UI{})
	if err != nil {
		log.Fatal(err)
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: memory.New(), Sealer: sealer})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	// Output: public key: age1pq1…
}
