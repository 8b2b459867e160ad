package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"codexauth/internal/rig"
)

// refusedClient: the backend answers one path with 401 whatever the token. Whoever
// asks there gets that; nobody else sees an error, and the login is rotated once
// at most.
func refusedClient(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	target, err := url.Parse(t.Server.URL())
	if err != nil {
		return err
	}
	backend := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	f.Backend = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/refused") {
			http.Error(w, `{"detail":"Unauthorized"}`, http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
	key := t.Run("serve", "key", "add", "everybody")
	if err := errors.Join(key.Want(0), t.Run("token").Want(0)); err != nil {
		return err
	}
	t.Server.ResetCounters()
	var ready struct{ URL string }
	broker, err := t.Serve("codexauth", &ready, "--json", "serve", "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer broker.Stop()
	end := time.Now().Add(rig.Pick(t.b.Run, 8*time.Second, 90*time.Second))
	var mu sync.Mutex
	var all sync.WaitGroup
	strange := map[string]int{}
	for _, c := range []struct {
		path string
		want int
	}{{"/refused", 401}, {"/refused", 401}, {"/models", 200}, {"/models", 200}, {"/models", 200}} {
		all.Go(func() {
			for time.Now().Before(end) {
				got, err := statusOf(ready.URL+"/backend-api/codex"+c.path, strings.TrimSpace(key.Out))
				if err != nil || got != c.want {
					mu.Lock()
					strange[fmt.Sprint(c.path, " ", got, " ", err)]++
					mu.Unlock()
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	all.Wait()
	if len(strange) > 0 {
		err = fmt.Errorf("answers that are not the client's own: %v", strange)
	}
	if c := t.Server.Counters(); c.Refreshes > 1 || c.Reuses > 0 {
		err = errors.Join(err, fmt.Errorf("server: %+v", c))
	}
	return err
}

func statusOf(address, key string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
