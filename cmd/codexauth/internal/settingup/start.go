package settingup

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
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
// person wants one: as a service, or in the background where no service is available.
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
	return a.startOne(cmd, b)
}

// startPatience is how long a start waits for another one, which may wait for systemd.
const startPatience = 2 * time.Minute

// startOne starts a broker and waits until it answers. Of several that do so at once,
// one starts it, and the others find it there.
func (a *app) startOne(cmd *cobra.Command, b toolBroker) (state string, err error) {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return brokerAbsent, err
	}
	ctx := cmd.Context()
	unlock, err := a.lockAs(ctx, p, "start.lock", startPatience)
	if err != nil {
		return brokerAbsent, err
	}
	defer unlock()
	if state = a.brokerState(ctx, b.Broker); state != brokerAbsent {
		return state, nil
	}
	if err := a.startBroker(cmd, p, b); err != nil {
		if state = a.brokerState(ctx, b.Broker); state != brokerAbsent {
			return state, nil // somebody started one by hand
		}
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

func (a *app) startBroker(cmd *cobra.Command, p *place.Place, b toolBroker) error {
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	o := serviceOptions{listen: b.listen(), keys: serving.KeyPlace{In: serving.KeysInFile}}
	if manager.ready(cmd.Context()) != nil { // a container, or a machine without one
		return a.startInBackground(p, o)
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
	if err != nil {
		return err
	}
	cut, err := isUnfinished(files)
	if err == nil && (changed || cut) {
		a.HeedSignals()
		err = installService(cmd.Context(), manager, files, was)
	}
	if err != nil {
		return err
	}
	a.Say("codexauth runs as a service of yours now (%s). `codexauth setup service --undo` takes it away.", manager.state(cmd.Context()))
	return nil
}

// logName is the log of a broker in the background: each address has its own, so that
// only one process writes into it.
func logName(listen string) string {
	if listen == usualListen {
		return "serve.log"
	}
	return "serve-" + strings.Trim(strings.ReplaceAll(listen, ":", "-"), "[]") + ".log"
}

// startInBackground runs serve until the machine or the container stops.
func (a *app) startInBackground(p *place.Place, o serviceOptions) error {
	args, err := a.serviceArgs(p, o)
	if err != nil {
		return err
	}
	path := filepath.Join(p.LockDir, logName(o.listen))
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return hint.Mend(err, "run this again", "")
	}
	defer log.Close()
	serve, err := rotator.StartDetached(log, append(args, "--listen", o.listen, "--bounded-log", path)...)
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
	a.Say("No service is available here, so codexauth runs in the background until this machine stops (process %d, its log is %s).", serve.Process.Pid, cleantext.OneLine(path))
	return nil
}
