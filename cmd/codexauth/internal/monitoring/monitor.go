// Package monitoring watches over logins: the command that does nothing else, and what a
// server has of it too, which are metrics for this machine and people who are told.
package monitoring

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/resident"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/monitor"
	"codexauth/internal/place"
)

const (
	monitorListen   = "127.0.0.1:9462"
	monitorPatience = 5 * time.Second // for one answer
)

type monitorOptions struct {
	listen string
	once   bool
	all    bool
	log    resident.LogOptions
	tell   TellOptions
}

// app is one run of the command line, as its monitor sees it.
type app struct{ *run.Run }

// Command makes the command that watches over logins.
func Command(r *run.Run) *cobra.Command {
	a := &app{r}
	var o monitorOptions
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "Watch over a login, for Prometheus and for people",
		Long: `Watch over a login, or over all of a store, until Ctrl-C: whether each works, when
its token expires, how refreshes end, and whether its store is reachable. It hands out
no token and never refreshes; with --on-event or --webhook it notes in the store
which events were reported, so that each is reported once.

/metrics is for Prometheus, /healthz says that the process lives, and /readyz that
every login works. They need no key, and so there is only a loopback address. A line
for each event goes to standard error, with what to do. ` + "`codexauth serve`" + ` has all of
this by itself.`,
		Example: `  codexauth monitor
  codexauth monitor --all-profiles --webhook @/etc/codexauth/webhook
  codexauth monitor --on-event /usr/local/bin/page-me
  codexauth monitor --once > /var/lib/node_exporter/codexauth.prom`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.monitor(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", monitorListen, "loopback `ADDRESS` to answer on")
	f.BoolVar(&o.once, "once", false, "print the metrics and end")
	f.BoolVar(&o.all, "all-profiles", false, "watch over every login that the store has at the start")
	o.log.Flags(f)
	o.tell.Flags(f)
	return cmd
}

// monitored is one login that is watched over.
type monitored struct {
	name    string
	manager *codexauth.Manager
}

func (a *app) monitor(cmd *cobra.Command, o monitorOptions) error {
	if err := o.log.Check(); err != nil {
		return err
	}
	log, closeLog := o.log.Open(a.Stderr, a.Flags.Verbose)
	defer closeLog()
	watchers := &Watchers{Journal: monitor.NewJournal(log)}
	if !o.once {
		a.OnEvent, a.OnClaim = watchers.Hear, watchers.Journal.Claimed
	}
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	if watchers.Notifier, err = o.tell.Notifier(p.BackendTransport(), log); err != nil {
		return err
	}
	logins, err := a.monitoredLogins(cmd.Context(), p, o.all)
	defer func() {
		for _, l := range logins {
			a.Finish(l.manager)
		}
	}()
	if err != nil {
		return err
	}
	m := &monitorServer{logins: logins, journal: watchers.Journal, started: time.Now()}
	if o.once {
		m.journal = nil
		return a.Print(m.metrics(cmd.Context()))
	}
	return a.runMonitor(cmd.Context(), o, m, watchers)
}

// monitoredLogins makes a Manager for each login, which is asked for no token.
func (a *app) monitoredLogins(ctx context.Context, p *place.Place, all bool) (logins []monitored, err error) {
	names := []string{p.Profile}
	if all {
		if names, err = p.Profiles(ctx); err != nil {
			return nil, fmt.Errorf("the logins of the store can't be listed: %w", err)
		}
	}
	for _, name := range names {
		of := *p
		of.Profile = name
		c := a.Config(&of)
		c.Lazy, c.Delegate = true, nil
		m, err := codexauth.NewManager(c)
		if err != nil {
			return logins, err
		}
		logins = append(logins, monitored{name, m})
	}
	return logins, nil
}

func (a *app) runMonitor(ctx context.Context, o monitorOptions, m *monitorServer, w *Watchers) error {
	l, err := ListenLoopback("--listen", o.listen)
	if err != nil {
		return err
	}
	a.HeedSignals()
	defer resident.AdoptOrphans()()
	server := Lookout{m.metrics, m.ready}.server()
	a.Say("watching over %s; metrics at http://%s/metrics", howMany(m.logins), l.Addr())
	working, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	beside.Go(func() { w.Tell(working) })
	for _, login := range m.logins {
		watch := w.Watch(login.name, login.manager)
		beside.Go(func() { watch(working) })
	}
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func howMany(logins []monitored) string {
	if len(logins) == 1 {
		return "the profile " + cleantext.OneLine(logins[0].name)
	}
	return fmt.Sprintf("%d logins", len(logins))
}

// monitorServer knows of logins.
type monitorServer struct {
	logins  []monitored
	journal *monitor.Journal // nil: nobody watches over them
	started time.Time
}

// read looks at every login.
func (m *monitorServer) read(ctx context.Context) (list []monitor.Login) {
	ctx, cancel := context.WithTimeout(ctx, monitorPatience)
	defer cancel()
	for _, l := range m.logins {
		login := monitor.Read(ctx, l.name, l.manager)
		login.Journal = m.journal
		list = append(list, login)
	}
	return list
}

func (m *monitorServer) metrics(ctx context.Context) string {
	var w monitor.Exposition
	monitor.WriteBuild(&w)
	w.Family("codexauth_start_time_seconds", "gauge", "When the process was started.")
	w.Time("codexauth_start_time_seconds", m.started)
	monitor.WriteLogins(&w, m.read(ctx))
	return w.String()
}

// notReady is a login that does not work.
type notReady struct {
	Profile string `json:"profile"`
	State   string `json:"state,omitempty"`
	Message string `json:"message"`
}

func (m *monitorServer) ready(w http.ResponseWriter, r *http.Request) {
	bad := []notReady{}
	for _, l := range m.read(r.Context()) {
		name := cleantext.OneLine(l.Name)
		if l.Err != nil {
			bad = append(bad, notReady{Profile: name, Message: cleantext.Message(l.Err.Error())})
		} else if result, text := Judge(l.Status, 0, time.Now()); result == Critical {
			bad = append(bad, notReady{name, string(l.Status.State), cleantext.Message(text)})
		}
	}
	if len(bad) > 0 {
		answerJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "not_ready", "logins": bad})
		return
	}
	answerJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
