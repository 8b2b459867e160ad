package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/process"
	"codexauth/store/etcd/internal/gateway"
)

// TestTwinsLeaseIsLeftAlone: a holder of this boot whose process is gone, but
// without its witness, may be a twin's that lives. Its lease is not revoked.
func TestTwinsLeaseIsLeftAlone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nobody is taken for certainly dead there")
	}
	s := open(t, newAddress(t))
	dir := filepath.Join(t.TempDir(), "codexauth-alive")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	witness := filepath.Join(dir, "alive-twin")
	l, err := s.gateway.Grant(patient(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.End(time.Second) })
	twin, err := json.Marshal(owner{Host: "twin", PID: 1<<22 + 1, Machine: process.Machine(), Started: "1", Witness: witness})
	if err != nil {
		t.Fatal(err)
	}
	var put struct{}
	if _, err := s.gateway.Call(patient(t), "kv/put", gateway.Put{Key: append(s.queueOf("k"), "0000"...), Value: twin, Lease: l.ID}, &put); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Claim(expiredContext(t), "k"); !errors.Is(err, codexauth.ErrBusy) {
			t.Fatalf("the claim of somebody who may live was taken: %v", err)
		}
	}
	// The witness is here, and free: that process ran on this machine, and is dead.
	if err := os.WriteFile(witness, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := s.Claim(expiredContext(t), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
}

// expiredContext lets Claim make one attempt.
func expiredContext(t *testing.T) context.Context {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	t.Cleanup(cancel)
	return ctx
}
