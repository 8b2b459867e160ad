package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker"
)

// streamPatience is how long streams may go on once the server is told to stop.
const streamPatience = 10 * time.Second

type serveOptions struct {
	socket, listen, keyFile string
	tlsCert, tlsKey         string
	hosts                   []string
	uids                    []int
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Let other programs use the login without holding it",
		Long: `Let other programs use the login without holding it, until Ctrl-C.

The server puts the credentials into requests under /backend-api/codex/, and
takes /v1/responses and /v1/models for a client whose base URL ends in /v1. It
translates nothing. POST /token leases an access token, to those who may.

On a Unix socket, which is the default, it serves this user, and on Linux those
of --allow-uid; only this user may lease. On TCP, with --listen, it serves who
shows a key of ` + "`codexauth serve key add`" + `; beyond this machine that takes TLS.
A line for each request goes to standard error: who, what, and how it ended.`,
		Example: `  codexauth serve
  curl --unix-socket ~/.local/state/codexauth/serve.sock http://broker/v1/models
  codexauth serve key add laptop
  codexauth serve --listen 127.0.0.1:8461
  codexauth serve --listen 0.0.0.0:8461 --tls-cert cert.pem --tls-key key.pem --host broker.example`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.socket, "socket", "", "`PATH` of the Unix socket, in a directory of yours alone (default serve.sock beside the store, unless --listen is given)")
	f.StringVar(&o.listen, "listen", "", "`HOST:PORT` for clients with keys; port 0 is any that is free")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM `FILE` with the certificate for --listen")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM `FILE` with its private key")
	f.StringArrayVar(&o.hosts, "host", nil, "`NAME` by which clients reach the server, beside localhost (may be repeated)")
	f.IntSliceVar(&o.uids, "allow-uid", nil, "`UID` of another user who may use the socket (may be repeated; Linux)")
	cmd.PersistentFlags().StringVar(&o.keyFile, "key-file", "", "`FILE` of the keys' hashes (default serve-keys.json beside the store)")
	cmd.AddCommand(a.serveKeyCommand(&o))
	return cmd
}

func (o serveOptions) check() error {
	switch {
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case o.listen == "" && (o.tlsCert != "" || len(o.hosts) > 0):
		return &usageError{"--tls-cert and --host are for --listen, which is not given", "add --listen HOST:PORT"}
	case o.listen != "" && o.socket == "" && len(o.uids) > 0:
		return &usageError{"--allow-uid is for the socket, and there is none", "add --socket PATH"}
	}
	return nil
}

// keys is the file of keys that belongs to a place, or "" where this machine has
// no room for one: then there are no keys.
func (o serveOptions) keys(p *place) broker.KeyFile {
	if o.keyFile != "" || p.lockDir == "" {
		return broker.KeyFile(o.keyFile)
	}
	return broker.KeyFile(filepath.Join(p.lockDir, "serve-keys.json"))
}

func (a *app) serve(cmd *cobra.Command, o serveOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	m, p, err := a.residentManager(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	if err := p.kept(); err != nil {
		return err
	}
	a.heedSignals()
	ctx := cmd.Context()
	stop := a.waiting()
	_, err = m.Token(ctx)
	stop()
	if err != nil && !passes(err) {
		return err
	}
	if err != nil {
		a.say("codexauth: no token yet: %s", oneLine(err.Error()))
	}
	keys, file := new(broker.Keys), o.keys(p)
	list, err := file.Load()
	if err == nil {
		err = keys.Replace(list)
	}
	if err != nil {
		return err
	}
	provider, err := p.provider.Complete()
	if err != nil {
		return err
	}
	log := a.auditLog()
	s, err := broker.New(broker.Config{
		Manager: m, Backend: provider.BackendURL, Keys: keys, Hosts: o.hosts, Transport: p.backendTransport(), Log: log,
	})
	if err != nil {
		return err
	}
	listeners, err := o.open(p)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if err := a.serveReady(listeners, o, len(list)); err != nil {
		return errors.Join(err, closeAll(listeners), s.Close())
	}
	return a.serveUntilStopped(ctx, s, listeners, func(ctx context.Context) { file.Watch(ctx, keys, log) })
}

// serveUntilStopped serves until ctx ends or a listener fails, with watch
// running beside it.
func (a *app) serveUntilStopped(ctx context.Context, s *broker.Server, listeners []net.Listener, watch func(context.Context)) error {
	watching, stopWatching := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { watch(watching) })
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		all.Go(func() { failed <- s.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
		defer a.after(500*time.Millisecond, fmt.Sprintf("letting the streams that are under way finish, for at most %v…", streamPatience))()
	case err = <-failed:
	}
	bounded, cancel := context.WithTimeout(context.Background(), streamPatience)
	defer cancel()
	if s.Shutdown(bounded) != nil {
		a.say("codexauth: streams were cut off after %v", streamPatience)
	}
	stopWatching()
	all.Wait()
	return err
}

// auditLog is one line a request on standard error, and more with -v.
func (a *app) auditLog() *slog.Logger {
	level := slog.LevelInfo
	if a.flags.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// open listens where the flags say. If one place can't be had, none is.
func (o serveOptions) open(p *place) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(listeners))
			listeners = nil
		}
	}()
	if o.socket == "" && o.listen == "" {
		if p.lockDir == "" {
			return nil, noRoom("--socket")
		}
		o.socket = filepath.Join(p.lockDir, "serve.sock")
	}
	if o.socket != "" {
		l, err := broker.ListenUnix(o.socket, o.uids)
		if err != nil {
			return listeners, &hintedError{err, "--socket names another path, --listen 127.0.0.1:8461 serves clients with keys"}
		}
		listeners = append(listeners, l)
	}
	if o.listen == "" {
		return listeners, nil
	}
	config, err := o.tls()
	if err != nil {
		return listeners, err
	}
	l, err := broker.ListenTCP(o.listen, config)
	if errors.Is(err, broker.ErrExposed) {
		return listeners, &usageError{err.Error(), "or give --tls-cert and --tls-key"}
	}
	if err != nil {
		return listeners, err
	}
	return append(listeners, l), nil
}

func (o serveOptions) tls() (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("the certificate can't be used: %v", err), "--tls-cert and --tls-key name PEM files that belong together"}
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
}

func closeAll(listeners []net.Listener) (err error) {
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// serveReady says where the server is.
func (a *app) serveReady(listeners []net.Listener, o serveOptions, keys int) error {
	var body struct {
		Socket string `json:"socket,omitempty"`
		URL    string `json:"url,omitempty"`
	}
	for _, l := range listeners {
		switch {
		case l.Addr().Network() == "unix":
			body.Socket = l.Addr().String()
		case o.tlsCert != "":
			body.URL = "https://" + l.Addr().String()
		default:
			body.URL = "http://" + l.Addr().String()
		}
	}
	if a.flags.json {
		return a.printJSON(body)
	}
	if body.Socket != "" {
		a.say("serving on the socket %s", oneLine(body.Socket))
	}
	if body.URL != "" {
		a.say("serving on %s (OPENAI_BASE_URL=%[1]s/v1)", body.URL)
		if keys == 0 {
			a.say("no client has a key yet: `codexauth serve key add NAME` makes one, and counts at once")
		}
	}
	return nil
}

// noRoom is why a file of the server's has no place of its own.
func noRoom(flag string) error {
	return &usageError{"there is no directory on this machine that codexauth may write to", "name a place with " + flag + ", in a directory of yours alone"}
}
