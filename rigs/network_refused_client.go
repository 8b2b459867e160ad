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
// asks there gets that, through a broker or with the library; nobody else sees an
// error, and the login is rotated once at most by all of them.
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
	length := rig.Pick(t.b.Run, 8*time.Second, 90*time.Second)
	programs := map[string]*running{} // with the library, beside the broker
	for _, path := range []string{"/refused", "/models"} {
		if programs[path], err = t.Start("client", nil, "-store", t.Address, "-issuer", t.Issuer, "-ask", path, "-for", length.String()); err != nil {
			return err
		}
	}
	err = askAtOnce(ready.URL+"/backend-api/codex", strings.TrimSpace(key.Out), length)
	for path, want := range map[string]string{"/refused": "401 ", "/models": "200 "} {
		end := programs[path].End()
		err = errors.Join(err, end.Want(0))
		if strings.Count(end.Out, "\n") != 1 || !strings.HasPrefix(end.Out, want) {
			err = errors.Join(err, fmt.Errorf("a program that asks %s got %q", path, end.Out))
		}
	}
	if c := t.Server.Counters(); c.Refreshes > 1 || c.Reuses > 0 {
		err = errors.Join(err, fmt.Errorf("server: %+v", c))
	}
	return err
}

// askAtOnce has clients of a broker ask for a while, some of them where they are
// refused, and returns which answers were not their own.
func askAtOnce(address, key string, length time.Duration) error {
	end := time.Now().Add(length)
	var mu sync.Mutex
	var all sync.WaitGroup
	strange := map[string]int{}
	for _, c := range []struct {
		path string
		want int
	}{{"/refused", 401}, {"/refused", 401}, {"/models", 200}, {"/models", 200}, {"/models", 200}} {
		all.Go(func() {
			for time.Now().Before(end) {
				got, err := statusOf(address+c.path, key)
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
		return fmt.Errorf("answers that are not the client's own: %v", strange)
	}
	return nil
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
