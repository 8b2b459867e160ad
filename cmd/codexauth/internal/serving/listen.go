package serving

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"codexauth/broker"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// open listens where the flags say, and where the service manager does. If one place can't be had, none is.
func (o serveOptions) open(p *place.Place, log *slog.Logger) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(listeners))
			listeners = nil
		}
	}()
	config, err := o.tls(log)
	if err != nil {
		return nil, err
	}
	for _, f := range o.inherited {
		l, err := broker.Inherit(f, config, o.uids)
		if err != nil {
			return listeners, hint.With(err, "the guide to serve has units for systemd that fit")
		}
		listeners = append(listeners, l)
	}
	if o.socket == "" && o.listen == "" && len(listeners) == 0 {
		if p.LockDir == "" {
			return nil, NoRoom("--socket")
		}
		o.socket = filepath.Join(p.LockDir, "serve.sock")
	}
	if o.socket != "" {
		l, err := broker.ListenUnix(o.socket, o.uids)
		if err != nil {
			return listeners, hint.With(err, "--socket names another path, --listen 127.0.0.1:8461 serves clients with keys")
		}
		listeners = append(listeners, l)
	}
	if o.listen == "" {
		return listeners, nil
	}
	l, err := broker.ListenTCP(o.listen, config)
	if err != nil {
		return listeners, adviseListen(err)
	}
	return append(listeners, l), nil
}

// adviseListen says what to do about an address that can't be listened on.
func adviseListen(err error) error {
	var malformed *net.AddrError
	switch {
	case errors.Is(err, broker.ErrExposed):
		return hint.Usage(err.Error(), "or give --tls-cert and --tls-key")
	case errors.As(err, &malformed):
		return hint.Usage(err.Error(), "--listen takes HOST:PORT, such as 127.0.0.1:8461")
	}
	return hint.With(err, "--listen takes an address of this machine and a port that is free, such as 127.0.0.1:8461")
}

// tls is the certificate as it is in its files, also when they change.
func (o serveOptions) tls(log *slog.Logger) (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	config, err := broker.LoadTLS(o.tlsCert, o.tlsKey, log)
	if err != nil {
		return nil, hint.Usage(fmt.Sprintf("the certificate can't be used: %v", err), "--tls-cert and --tls-key name PEM files that belong together")
	}
	return config, nil
}

func closeAll(listeners []net.Listener) (err error) {
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}
