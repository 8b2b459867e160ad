package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"codexauth/internal/place"
	"codexauth/internal/place/every"
	"codexauth/internal/rig/etcdserver"
	"codexauth/internal/rig/scratch"
	"codexauth/sandbox"
	"codexauth/store/etcd"
)

// anEtcd is the server of all tests here. It ends with this process.
var anEtcd = sync.OnceValues(func() (*etcdserver.Server, error) {
	dir, err := scratch.New("codexauth-etcd-")
	if err != nil {
		return nil, err
	}
	atEnd(func() { _ = dir.Remove() })
	all, err := etcdserver.New(dir.Path, 1)
	if err != nil {
		return nil, err
	}
	atEnd(all[0].Kill)
	return all[0], errors.Join(all[0].Start(), all[0].Ready())
})

var etcdPlaces atomic.Int32

// newEtcdAddress is a place of its own in the etcd.
func newEtcdAddress() (string, error) {
	s, err := anEtcd()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("etcd://%s/place-%d", s.Endpoint(), etcdPlaces.Add(1)), nil
}

// hasEtcd is the condition "etcd" of scripts.
func hasEtcd() (bool, error) {
	_, err := anEtcd()
	if err != nil && (os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true") {
		return false, err
	}
	return err == nil, nil
}

// scriptEtcd keeps the script's logins in an etcd from now on, and sets
// ADDRESS, and USED to the same with a user.
func scriptEtcd(ts *testscript.TestScript, _ bool, _ []string) {
	address, err := newEtcdAddress()
	ts.Check(err)
	ts.Setenv("ADDRESS", address)
	ts.Setenv("USED", strings.Replace(address, "://", "://me@", 1))
	ts.Setenv("CODEXAUTH_STORE", address)
}

// Commands that share nothing but an etcd: one token request.
func TestSharedThroughEtcd(t *testing.T) {
	there, err := hasEtcd()
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		t.Skip("no etcd server on this machine")
	}
	address, err := newEtcdAddress()
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, sandbox.Config{})
	b.env = append(b.env, "CODEXAUTH_STORE="+address)
	store, err := etcd.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b.expireIn(t, store)
	b.asOnEightMachines(t)
}

// What the process that rotates is told must hold in another directory, too.
func TestEtcdAddressIsAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("password", []byte("Passw0rd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CODEXAUTH_HOME", filepath.Join(dir, "home"))
	var p place.Place
	if err := p.Open("etcd://me@127.0.0.1:1/x?passfile=password", every.Kinds()); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	var again place.Place
	if err := again.Open(p.Address, every.Kinds()); err != nil {
		t.Errorf("%s: %v", p.Address, err)
	}
	if !strings.Contains(p.Address, "passfile=") || strings.Contains(p.Address, "Passw0rd") || again.LockDir != p.LockDir {
		t.Errorf("the address made in %s is %s", here, p.Address)
	}
}
