package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/broker/client"
)

func TestTrust(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"access_token":"a.b.c","account_id":"acc","expires_in":3600}`)
	}))
	defer srv.Close()
	key := codexauth.NewSecret(secretKey)
	_, err := newClient(t, "broker+"+srv.URL, client.Options{Key: key}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUntrusted)
	if errors.Is(err, codexauth.ErrTransient) {
		t.Error("a wrong certificate passes by itself?")
	}
	trusting := &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	_, err = newClient(t, "broker+"+srv.URL, client.Options{Key: key, TLS: trusting}).Lease(t.Context(), codexauth.LeaseRequest{})
	must(t, err)
	other := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	_, err = newClient(t, "broker+"+other, client.Options{Key: key, TLS: trusting}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUntrusted)
}

// The next key is put into the file, and the program need not start again.
func TestKeyFileIsReadAgain(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, []byte(r.leaseKey+"\n"), 0o600))
	t.Setenv(client.KeyFileVariable, file)
	c := newClient(t, r.tcp, client.Options{})
	lease := func() error { _, err := c.Lease(t.Context(), codexauth.LeaseRequest{}); return err }
	must(t, lease())
	next := r.addKey(t, "next", true)
	r.keys.Revoke("leaser")
	wantErr(t, lease(), client.ErrKeyRefused)
	must(t, os.WriteFile(file, []byte("\ufeff"+next+"\r\n"), 0o600)) // as an editor on Windows leaves it
	must(t, lease())
	must(t, os.WriteFile(file, nil, 0o600))
	wantErr(t, lease(), client.ErrNoKey)
	must(t, os.Remove(file))
	wantErr(t, lease(), client.ErrNoKey)
}

// With a key for the proxy only, a program sends its requests to the broker. The
// key goes nowhere else, and no redirect is followed.
func TestHTTPClient(t *testing.T) {
	r := newRig(t)
	clients := []*client.Client{r.client(t, r.plainKey)}
	if r.socket != "" {
		clients = append(clients, newClient(t, r.socket, client.Options{}))
	}
	for _, c := range clients {
		hc := c.HTTPClient()
		resp, err := hc.Post(c.BaseURL()+"/responses", "application/json", strings.NewReader(
			`{"model":"gpt-sandbox","store":false,"stream":true,"input":[{"role":"user","content":"Say it"}]}`))
		must(t, err)
		first, err := bufio.NewReader(resp.Body).ReadString('\n')
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(first, "event:") {
			t.Errorf("%d %q %v", resp.StatusCode, first, err)
		}
		var asked http.Header
		other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.Header }))
		defer other.Close()
		for _, url := range []string{other.URL, "https://" + strings.TrimPrefix(other.URL, "http://")} {
			if _, err := hc.Get(url); !errors.Is(err, client.ErrNotBroker) || strings.Contains(fmt.Sprint(err), r.plainKey) {
				t.Errorf("%v", err)
			}
		}
		if asked != nil {
			t.Error("a request went elsewhere")
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v1/other", http.StatusFound) }))
	defer srv.Close()
	c := newClient(t, "broker+"+srv.URL, client.Options{Key: codexauth.NewSecret(secretKey)})
	if _, err := c.HTTPClient().Get(c.BaseURL() + "/models"); !errors.Is(err, client.ErrNotBroker) {
		t.Errorf("%v", err)
	}
}

// The environment's proxy sees no key.
func TestNoProxyInTheClear(t *testing.T) {
	seen := make(chan struct{}, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen <- struct{}{} }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	c := newClient(t, "broker+http://192.0.2.1:1?dangerously-in-clear=yes", client.Options{Key: codexauth.NewSecret(secretKey)})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Lease(ctx, codexauth.LeaseRequest{}); err == nil || len(seen) != 0 {
		t.Errorf("%v; the proxy saw %d requests", err, len(seen))
	}
}

func TestAddresses(t *testing.T) {
	wd, err := os.Getwd()
	must(t, err)
	for address, want := range map[string]string{
		"broker+unix:/run/x.sock":                                   "broker+unix:/run/x.sock",
		"broker+unix:///run/x.sock":                                 "broker+unix:/run/x.sock",
		"broker+unix:x.sock":                                        "broker+unix:" + filepath.Join(wd, "x.sock"),
		"broker+http://localhost:1?key-file=/a%20b":                 "broker+http://localhost:1?key-file=/a+b",
		"broker+http://[::1]:1/":                                    "broker+http://[::1]:1",
		"broker+https://Host":                                       "broker+https://host",
		"broker+https://host:8461?key-file=k":                       "broker+https://host:8461?key-file=" + filepath.Join(wd, "k"),
		"broker+http://192.0.2.1:1?dangerously-in-clear=yes":        "broker+http://192.0.2.1:1?dangerously-in-clear=yes",
		"broker+https://host?key=x":                                 "",
		"broker+https://host?dangerously-in-clear=yes":              "",
		"broker+http://192.0.2.1:1?dangerously-in-clear=no":         "",
		"broker+http://192.0.2.1:1":                                 "",
		"broker+http://localhost.evil:1":                            "",
		"broker+https://sesame@host":                                "",
		"broker+https://host/v1":                                    "",
		"broker+https://host#sesame":                                "",
		"broker+https:host":                                         "",
		"broker+https://":                                           "",
		"broker+unix:":                                              "",
		"https://host":                                              "",
		"broker+https://host?key-file=%zzsesame":                    "",
		"broker+https://ho\nst?sesame":                              "",
		"broker+https://host?ca-file=/nowhere/at/all&key-file=/key": "",
	} {
		if runtime.GOOS == "windows" && strings.Contains(want, "/") && strings.Contains(address, "file=") || strings.Contains(address, "unix") && runtime.GOOS == "windows" {
			continue
		}
		c, err := client.New(address, client.Options{})
		switch {
		case want == "" && (!errors.Is(err, client.ErrAddress) || strings.Contains(err.Error(), "sesame")):
			t.Errorf("%s: %v", address, err)
		case want != "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && c.String() != want:
			t.Errorf("%s: %s, want %s", address, c, want)
		}
	}
}
