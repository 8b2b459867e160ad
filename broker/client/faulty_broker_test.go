package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	"codexauth/internal/rig/freeport"
)

const secretKey = "codexauth_SESAMESESAMESESAMESESAME22"

// fakeBroker answers as f does, and its client's errors hold no key.
func fakeBroker(t *testing.T, f http.HandlerFunc) (lease func(context.Context) error) {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	c := newClient(t, "broker+"+srv.URL, client.Options{Key: codexauth.NewSecret(secretKey)})
	return func(ctx context.Context) error {
		_, err := c.Lease(ctx, codexauth.LeaseRequest{})
		if err != nil && strings.Contains(err.Error(), "SESAME") {
			t.Errorf("the key is in %v", err)
		}
		return err
	}
}

// Answers that no broker gives, or that did not get through.
func TestBadAnswers(t *testing.T) {
	const good = `{"access_token":"a.b.c","account_id":"acc","expires_in":3600}`
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"good": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, good) }, nil},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, client.ErrNotBroker},
		"not JSON":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, client.ErrNotBroker},
		"no token":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, client.ErrNotBroker},
		"404":           {http.NotFound, client.ErrNotBroker},
		"401 of others": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }, client.ErrNotBroker},
		"gateway":       {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, codexauth.ErrTransient},
		"429":           {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slow down", http.StatusTooManyRequests) }, codexauth.ErrRateLimited},
		"too long":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, good+strings.Repeat(" ", 1<<20)) }, client.ErrNotBroker},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, good)
		}, codexauth.ErrTransient},
		"dropped":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, client.ErrUnreachable},
		"unknown":   {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "something_new") }, nil},
		"failed":    {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "broker_failed") }, nil},
		"refused":   {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "refused") }, codexauth.ErrRefused},
		"stopping":  {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "stopping") }, codexauth.ErrTransient},
		"try later": {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "try_later") }, codexauth.ErrTransient},
	} {
		err := fakeBroker(t, tt.answer)(t.Context())
		if (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v is not %v", name, err, tt.want)
		}
		var e *client.Error
		if name == "unknown" && (!errors.As(err, &e) || e.Code != "something_new" || strings.ContainsAny(e.Message, "\x1b\n") || errors.Is(err, codexauth.ErrTransient)) {
			t.Errorf("%s: %q", name, err)
		}
	}
	if reached {
		t.Error("a redirect was followed")
	}
}

func errorAnswer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"codexauth: some\u001b[31m\nwords"}}`, code)
}

// A broker that never answers, or answers byte by byte, is given up.
func TestHungBroker(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // or net/http does not notice that the client has gone
			<-r.Context().Done()
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if io.WriteString(w, " "); http.NewResponseController(w).Flush() != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := fakeBroker(t, answer)(ctx)
		if !errors.Is(err, codexauth.ErrTransient) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}

func TestNobodyThere(t *testing.T) {
	host := fmt.Sprint("127.0.0.1:", freeport.One(t))
	addresses := []string{"broker+http://" + host, "broker+https://" + host}
	if runtime.GOOS != "windows" {
		addresses = append(addresses, "broker+unix:"+filepath.Join(t.TempDir(), "nowhere"))
	}
	for _, address := range addresses {
		_, err := newClient(t, address, client.Options{Key: codexauth.NewSecret(secretKey)}).Lease(t.Context(), codexauth.LeaseRequest{})
		wantErr(t, err, client.ErrUnreachable, codexauth.ErrTransient)
		if err != nil && strings.Count(err.Error(), host) > 1 {
			t.Errorf("it says the address twice: %v", err)
		}
	}
}

// A stranger is hung up on; the message says why that may be.
func TestSocketThatHangsUp(t *testing.T) {
	dir, err := os.MkdirTemp("", "cx")
	must(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	_, err = newClient(t, "broker+unix:"+filepath.Join(dir, "s"), client.Options{}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUnreachable)
	if !strings.Contains(fmt.Sprint(err), "users that it does not serve") {
		t.Error(err)
	}
}
