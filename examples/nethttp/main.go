// Command nethttp asks the backend with nothing but net/http.
//
//	codexauth login
//	go run ./nethttp MODEL "Hello"
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"codexauth"
	"codexauth/store/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: nethttp MODEL PROMPT")
	}
	store, err := file.Default()
	if err != nil {
		log.Fatal(err)
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	if err := ask(context.Background(), manager.Client(), manager.BackendURL(), os.Args[1], os.Args[2], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// ask streams one answer to w.
func ask(ctx context.Context, hc *http.Client, backend, model, prompt string, w io.Writer) error {
	body, err := json.Marshal(map[string]any{
		"model": model, "store": false, "stream": true,
		"input": []any{map[string]any{"role": "user", "content": prompt}},
	})
	if err != nil {
		return err
	}
	// A *bytes.Reader can be sent again: that is what the one retry after a 401
	// needs.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, backend+"/responses", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("the backend answered %s: %s", resp.Status, text)
	}
	return printText(resp.Body, w)
}

// printText prints the text of a stream of server-sent events.
func printText(r io.Reader, w io.Writer) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct{ Type, Delta string }
		if json.Unmarshal([]byte(data), &event) == nil && event.Type == "response.output_text.delta" {
			fmt.Fprint(w, event.Delta)
		}
	}
	fmt.Fprintln(w)
	return lines.Err()
}
