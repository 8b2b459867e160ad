package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/storekey"
	"codexauth/internal/wait"
	"codexauth/store/etcd/internal/gateway"
)

const (
	// maxRecord is the largest record in bytes; real ones have some kilobytes. A
	// commit sends two, and etcd takes 1.5 MiB where it is not told otherwise.
	maxRecord = 512 << 10
	// maxKey is the longest key in bytes.
	maxKey = 1024
	// answerTimeout bounds whatever etcd should answer at once.
	answerTimeout = 15 * time.Second
	// pageSize is how many keys are listed at a time.
	pageSize = 10_000
)

// Store is a [codexauth.Store] in an etcd cluster. Make one with [Open] or [New].
// Its methods wait for etcd for fifteen seconds at the most, apart from Claim,
// which waits for others as long as its context lets it.
type Store struct {
	gateway *gateway.Client
	prefix  string
	name    string
	address string
	ttl     time.Duration // of a claim's lease
	turns   wait.Turns    // one goroutine of this Store at a time
}

var _ codexauth.Store = (*Store)(nil)

// Open returns the store of an address such as
// etcds://user@host:2379,host:2379/prefix?cacert=FILE&cert=FILE&key=FILE. It reads
// the files, and the variables for what the address leaves out, and does not
// connect yet. No error repeats the address.
func Open(text string) (*Store, error) {
	a, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("open etcd store: %w", err)
	}
	cfg, err := a.config()
	if err != nil {
		return nil, fmt.Errorf("open etcd store: %w", err)
	}
	s, err := New(cfg)
	if err == nil {
		s.address = a.String()
	}
	return s, err
}

// New returns a store on an etcd cluster.
func New(cfg Config) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("open etcd store: Config.Endpoints is empty")
	}
	for _, endpoint := range cfg.Endpoints {
		if _, _, err := net.SplitHostPort(endpoint); err != nil {
			return nil, errors.New(`open etcd store: an endpoint is not "host:port"`)
		}
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(cfg.Prefix, "/") {
		cfg.Prefix += "/"
	}
	cfg.Endpoints = slices.Clone(cfg.Endpoints)
	place := address{secure: cfg.TLS != nil, endpoints: cfg.Endpoints, prefix: cfg.Prefix}
	return &Store{gateway: gateway.New(gateway.Config{Endpoints: cfg.Endpoints, TLS: cfg.TLS, User: cfg.User, Password: cfg.Password}), prefix: cfg.Prefix, name: place.String(), ttl: leaseTTL}, nil
}

// Close closes the connections that are idle. It returns nil.
func (s *Store) Close() error {
	s.gateway.Close()
	return nil
}

// String returns "etcd://host:2379/prefix/", without a user.
func (s *Store) String() string { return s.name }

// Address returns the address that the store was opened with, with the paths of
// files made absolute. It holds no password. It is empty for a store of [New].
func (s *Store) Address() string { return s.address }

// entry is a record with its revision; the zero entry is none.
type entry struct {
	record   []byte
	revision gateway.Number
}

func entryOf(kv *gateway.KeyValue) entry {
	if kv == nil {
		return entry{}
	}
	return entry{append([]byte{}, kv.Value...), kv.ModRevision} // not nil, even if it is empty
}

func (s *Store) recordKey(key string) []byte { return []byte(s.prefix + "records/" + key) }

// read returns the entry of key, as the cluster has agreed on it.
func (s *Store) read(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var found gateway.RangeAnswer
	_, err := s.gateway.Call(ctx, "kv/range", gateway.Range{Key: s.recordKey(key)}, &found)
	return entryOf(found.First()), err
}

// Load returns the record of key: one look-up of one key.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	if err := storekey.Check(key, maxKey); err != nil {
		return nil, fmt.Errorf("load from %s: %w", s, err)
	}
	e, err := s.read(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("load %q from %s: %w", key, s, explain(err))
	}
	if e.record == nil {
		return nil, fmt.Errorf("load %q: %w in %s", key, codexauth.ErrNotFound, s)
	}
	return e.record, nil
}

// List returns the keys that have a record.
func (s *Store) List(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	records := s.recordKey("")
	next, end := records, gateway.PrefixEnd(records)
	var keys []string
	for {
		var page gateway.RangeAnswer
		_, err := s.gateway.Call(ctx, "kv/range", gateway.Range{Key: next, RangeEnd: end, Limit: pageSize, KeysOnly: true}, &page)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", s, explain(err))
		}
		for _, kv := range page.KVs {
			keys = append(keys, string(kv.Key[len(records):]))
			next = append(kv.Key, 0)
		}
		if !page.More || len(page.KVs) == 0 {
			return keys, nil
		}
	}
}
