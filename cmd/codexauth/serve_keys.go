package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// Where keys are kept.
const (
	keysInFile  = "file"
	keysInStore = "store"
)

// A keyHome is where the keys of a server are kept.
type keyHome interface {
	String() string
	Load(context.Context) ([]broker.Key, error)
	Change(context.Context, func([]broker.Key) ([]broker.Key, error)) error
	Watch(context.Context, *broker.Keys, *slog.Logger)
	LastUsed(context.Context) (func(broker.Key) time.Time, error)
}

// keys is where the keys that belong to a place are kept. A file is "" where this
// machine has no room for one: then there are no keys.
func (o serveOptions) keys(p *place.Place) (keyHome, error) {
	switch o.keysIn {
	case keysInStore:
		return o.storedKeys(p)
	case keysInFile:
		if o.keyFile != "" || p.LockDir == "" {
			return broker.KeyFile(o.keyFile), nil
		}
		return broker.KeyFile(filepath.Join(p.LockDir, "serve-keys.json")), nil
	}
	return nil, hint.Usage("--keys names no place for keys", "it is file, or store")
}

// named is a command about keys with the flags that say where these are.
func (o serveOptions) named(args string) string {
	switch {
	case o.keysIn == keysInStore:
		return args + " --keys " + keysInStore
	case o.keyFile != "":
		return args + " --key-file " + ui.ShellWord(o.keyFile)
	}
	return args
}

func (o serveOptions) storedKeys(p *place.Place) (keyHome, error) {
	if o.keyFile != "" {
		return nil, hint.Usage("--keys store and --key-file name two places for the keys", "leave one of them out")
	}
	if strings.HasPrefix(p.Address, "keyring:") {
		return nil, hint.Usage("a keyring is this machine's alone, and keeps no keys of a server", "leave --keys out: they are kept in a file beside it")
	}
	return broker.KeyStore{Store: p.Store}, nil
}
