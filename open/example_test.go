package open_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"codexauth"
	"codexauth/open"
	"codexauth/open/age"
	"codexauth/open/etcd"
	"codexauth/open/keyring"
	"codexauth/open/postgres"
)

func Example() {
	ctx := context.Background()
	manager, err := open.Manager(ctx, keyring.Kind(), age.Kind(), postgres.Kind(), etcd.Kind())
	if errors.Is(err, codexauth.ErrSignedOut) {
		log.Fatal("sign in first: codexauth login")
	}
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	resp, err := manager.Client().Get(manager.BackendURL() + "/models?client_version=1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", body)
}
