//go:build unix

package broker

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"codexauth/broker/overview"
)

// Of several logins, this user sees all, and the holder of a key its own alone.
func TestOverviewOfSeveralLogins(t *testing.T) {
	r, second := newPair(t)
	r.must(second.manager.SignOut(t.Context(), false))
	a := r.addKey("of-a", func(k *Key) { k.Status, k.Login = true, "a" })
	b := r.addKey("of-b", func(k *Key) { k.Status, k.Login = true, "b" })
	names := func(o overview.Overview) (list []string) {
		for _, l := range o.Logins {
			list = append(list, l.Profile+" "+l.State)
		}
		for _, c := range o.Clients {
			list = append(list, c.Name)
		}
		return list
	}
	ask := func(key string) (o overview.Overview) {
		status, text, _ := r.ask("GET", "/overview", "", "Authorization", "Bearer "+key)
		if status != http.StatusOK || json.Unmarshal([]byte(text), &o) != nil {
			t.Fatalf("status %d: %s", status, text)
		}
		return o
	}
	if got := names(ask(a)); !slices.Equal(got, []string{"a valid", "key leaser", "key of-a", "key plain"}) {
		t.Errorf("a key of a's sees %q", got)
	}
	if got := names(ask(b)); !slices.Equal(got, []string{"b signed_out", "key of-b"}) {
		t.Errorf("a key of b's sees %q", got)
	}
	if got := r.overviewBySocket(); len(got.Logins) != 2 || len(got.Clients) != 5 || got.Logins[0].Usage == nil {
		t.Errorf("this user sees %q", names(got))
	}
}

// overviewBySocket is what this process's user sees.
func (r *rig) overviewBySocket() (o overview.Overview) {
	r.Helper()
	dir, err := os.MkdirTemp("", "cx") // a socket's path is short
	r.must(err)
	r.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s.sock")
	l, err := ListenUnix(path, nil)
	r.must(err)
	r.serve(l)
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	resp, err := hc.Get("http://broker/overview")
	r.must(err)
	defer resp.Body.Close()
	r.must(json.NewDecoder(resp.Body).Decode(&o))
	return o
}
