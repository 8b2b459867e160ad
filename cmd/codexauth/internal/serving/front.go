package serving

import (
	"errors"

	"codexauth"
	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/place"
)

// A Front is a broker for one run of one command, on a port and with a key of
// its own.
type Front struct {
	server *broker.Server
	keys   *broker.Keys
	URL    string // without a path
	Key    string
	served chan error
}

const frontKey = "exec"

// StartFront starts one for a login.
func StartFront(a *run.Run, m *codexauth.Manager, p *place.Place, remember ByteSize) (*Front, error) {
	provider, err := p.Provider.Complete()
	if err != nil {
		return nil, err
	}
	f := &Front{keys: new(broker.Keys), served: make(chan error, 1)}
	text, key, err := broker.NewKey(frontKey)
	if err != nil {
		return nil, err
	}
	f.Key = text
	if err := f.keys.Add(key); err != nil {
		return nil, err
	}
	f.server, err = broker.New(broker.Config{
		Manager: m, Backend: provider.BackendURL, Keys: f.keys, Transport: p.BackendTransport(), Log: a.Log(), Memory: remember.memory(),
	})
	if err != nil {
		return nil, err
	}
	l, err := broker.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return nil, errors.Join(err, f.server.Close())
	}
	f.URL = "http://" + l.Addr().String()
	go func() { f.served <- f.server.Serve(l) }()
	return f, nil
}

// Close ends the key, what it has under way, and the server.
func (f *Front) Close() {
	f.keys.Revoke(frontKey)
	_ = f.server.Close() // there is nothing left to do about it
	<-f.served
}
