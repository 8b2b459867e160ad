package serving

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"codexauth/broker"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// Where keys are kept.
const (
	KeysInFile  = "file"
	KeysInStore = "store"
)

// A KeyHome is where the keys of a server are kept.
type KeyHome interface {
	String() string
	Load(context.Context) ([]broker.Key, error)
	Change(context.Context, func([]broker.Key) ([]broker.Key, error)) error
	Watch(context.Context, *broker.Keys, *slog.Logger)
	LastUsed(context.Context) (func(broker.Key) time.Time, error)
}

// A KeyPlace is where keys are kept, as flags say it.
type KeyPlace struct {
	In   string // KeysInFile or KeysInStore
	File string // "" is the usual one
}

// Of is where the keys that belong to a place are kept. A file is "" where this
// machine has no room for one: then there are no keys.
func (o KeyPlace) Of(p *place.Place) (KeyHome, error) {
	switch o.In {
	case KeysInStore:
		return o.storedKeys(p)
	case KeysInFile:
		if o.File != "" || p.LockDir == "" {
			return broker.KeyFile(o.File), nil
		}
		return broker.KeyFile(filepath.Join(p.LockDir, "serve-keys.json")), nil
	}
	return nil, hint.Usage("--keys has an unknown value", "it takes file or store")
}

// Named is a command about keys with the flags that say where these are.
func (o KeyPlace) Named(args string) string {
	switch {
	case o.In == KeysInStore:
		return args + " --keys " + KeysInStore
	case o.File != "":
		return args + " --key-file " + cleantext.ShellWord(o.File)
	}
	return args
}

func (o KeyPlace) storedKeys(p *place.Place) (KeyHome, error) {
	if o.File != "" {
		return nil, hint.Usage("--keys store and --key-file name two places for the keys", "leave one of them out")
	}
	if strings.HasPrefix(p.Address, "keyring:") {
		return nil, hint.Usage("a keyring is this machine's alone, and keeps no keys of a server", "leave --keys out: they are kept in a file beside it")
	}
	return broker.KeyStore{Store: p.Store}, nil
}
