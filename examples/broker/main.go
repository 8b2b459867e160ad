// Command broker uses the login of a `codexauth serve`: all that it needs is the
// broker's socket, or its address and a key.
//
//	go run ./broker broker+unix:/run/codexauth/serve.sock
//	CODEXAUTH_BROKER_KEY_FILE=key go run ./broker broker+https://broker.example:8461
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"codexauth"
	"codexauth/broker/client"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: broker ADDRESS")
	}
	c, err := client.New(os.Args[1], client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	manager, err := codexauth.NewManager(codexauth.Config{Lessor: c})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	if err := listModels(context.Background(), c, manager, manager.BackendURL(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// listModels asks the backend itself where a token can be had. With a key that is
// for the proxy only, it asks by way of the broker and never sees a token.
func listModels(ctx context.Context, c *client.Client, m *codexauth.Manager, backend string, w io.Writer) error {
	hc, base := m.Client(), backend
	switch _, err := m.Token(ctx); {
	case errors.Is(err, client.ErrLeaseRefused):
		hc, base = c.HTTPClient(), c.BaseURL()
	case err != nil:
		return err // errors.Is tells what to do: see package codexauth
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/models", nil)
	if err != nil {
		return err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}
