package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/tools"
)

// A toolBroker is the broker that a tool is pointed at, and how it may be started.
type toolBroker struct {
	tools.Broker
	program        func() (string, error) // by which a service is to run it
	start, noStart bool                   // without a question
}

// listen is the address of this machine to listen at; "" is elsewhere.
func (b toolBroker) listen() string {
	u, err := url.Parse(b.URL)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return ""
	}
	listen, err := loopbackOnly(u.Host)
	if err != nil {
		return ""
	}
	return listen
}

// makeSure has a broker run at a tool's address, if nobody answers there and the
// person wants one: as a service, or in the background where no service can be had.
func (a *app) makeSure(cmd *cobra.Command, b toolBroker) (state string, err error) {
	ctx := cmd.Context()
	state = a.brokerState(ctx, b.Broker)
	if state != brokerAbsent || b.noStart || b.listen() == "" {
		return state, nil
	}
	if !b.start {
		if !a.CanAsk() {
			return state, nil
		}
		yes, err := a.Ask(ctx, fmt.Sprintf("Nothing answers at %s yet. Have codexauth run there from now on?", b.listen()), true)
		if err != nil || !yes {
			return state, err
		}
	}
	if err := a.startBroker(cmd, b); err != nil {
		return state, err
	}
	for begun := time.Now(); state == brokerAbsent && time.Since(begun) < 10*time.Second; {
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		state = a.brokerState(ctx, b.Broker)
	}
	return state, nil
}

func (a *app) startBroker(cmd *cobra.Command, b toolBroker) error {
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	o := serviceOptions{listen: b.listen(), keys: serveOptions{keysIn: keysInFile}}
	if manager.ready(cmd.Context()) != nil { // a container, or a machine without one
		return a.startInBackground(cmd, o)
	}
	spec, err := a.serviceSpec(cmd, o, b.program)
	if err != nil {
		return err
	}
	files, err := manager.files(spec)
	if err != nil {
		return err
	}
	was, changed, err := standing(files)
	if err == nil && changed {
		err = installService(cmd.Context(), manager, files, was)
	}
	if err != nil {
		return err
	}
	a.Say("codexauth runs as a service of yours now (%s). `codexauth setup service --undo` takes it away.", manager.state(cmd.Context()))
	return nil
}

// startInBackground runs serve until the machine or the container stops.
func (a *app) startInBackground(cmd *cobra.Command, o serviceOptions) error {
	p, err := a.storePlace(cmd)
	if err != nil {
		return err
	}
	args, err := a.serviceArgs(p, o)
	if err != nil {
		return err
	}
	path := filepath.Join(p.LockDir, "serve.log")
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	serve, err := rotator.StartDetached(log, append(args, "--listen", o.listen)...)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	select {
	case err := <-ended:
		return hint.With(fmt.Errorf("`codexauth serve` did not stay up (%w)", err), "its log says why: "+cleantext.OneLine(path))
	case <-time.After(300 * time.Millisecond): // what it can't use it finds at once
	}
	a.Say("No service can be had here, so codexauth runs in the background until this machine stops (process %d, its log is %s).", serve.Process.Pid, cleantext.OneLine(path))
	return nil
}
