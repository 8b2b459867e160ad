package main

import (
	"errors"

	"codexauth"
	"codexauth/broker"
	"codexauth/internal/place"
)

// A front is a broker for one run of one command, on a port and with a key of
// its own.
type front struct {
	server *broker.Server
	keys   *broker.Keys
	url    string // without a path
	key    string
	served chan error
}

const frontKey = "exec"

func (a *app) startFront(m *codexauth.Manager, p *place.Place, remember byteSize) (*front, error) {
	provider, err := p.Provider.Complete()
	if err != nil {
		return nil, err
	}
	f := &front{keys: new(broker.Keys), served: make(chan error, 1)}
	text, key, err := broker.NewKey(frontKey)
	if err != nil {
		return nil, err
	}
	f.key = text
	if err := f.keys.Add(key); err != nil {
		return nil, err
	}
	f.server, err = broker.New(broker.Config{
		Manager: m, Backend: provider.BackendURL, Keys: f.keys, Transport: p.BackendTransport(), Log: a.log(), Memory: remember.memory(),
	})
	if err != nil {
		return nil, err
	}
	l, err := broker.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return nil, errors.Join(err, f.server.Close())
	}
	f.url = "http://" + l.Addr().String()
	go func() { f.served <- f.server.Serve(l) }()
	return f, nil
}

// close ends the key, what it has under way, and the server.
func (f *front) close() {
	f.keys.Revoke(frontKey)
	_ = f.server.Close() // there is nothing left to do about it
	<-f.served
}
