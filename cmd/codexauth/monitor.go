package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
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
	log    logOptions
	tell   tellOptions
}

func (a *app) monitorCommand() *cobra.Command {
	var o monitorOptions
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "Watch over a login, for Prometheus and for people",
		Long: `Watch over a login, or over all of a store, until Ctrl-C: whether each works, when
its token ends, what refreshes come to, and whether its store is there. It hands out
no token and never refreshes; with --on-event or --webhook it notes in the store of
which events people were told, so that they are told once.

/metrics is for Prometheus, /healthz says that the process lives, and /readyz that
every login works. They need no key, and so there is only a loopback address. A line
for each event goes to standard error, with what to do. ` + "`codexauth serve`" + ` has all of
this by itself.`,
		Example: `  codexauth monitor
  codexauth monitor --all-profiles --webhook @/etc/codexauth/webhook
  codexauth monitor --on-event /usr/local/bin/page-me
  codexauth monitor --once > /var/lib/node_exporter/codexauth.prom`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.monitor(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", monitorListen, "loopback `ADDRESS` to answer on")
	f.BoolVar(&o.once, "once", false, "print the metrics and end")
	f.BoolVar(&o.all, "all-profiles", false, "watch over every login that the store has at the start")
	o.log.flags(f)
	o.tell.flags(f)
	return cmd
}

// monitored is one login that is watched over.
type monitored struct {
	name    string
	manager *codexauth.Manager
}

func (a *app) monitor(cmd *cobra.Command, o monitorOptions) error {
	if err := o.log.check(); err != nil {
		return err
	}
	log, closeLog := a.logTo(o.log)
	defer closeLog()
	watchers := &watchers{journal: monitor.NewJournal(log)}
	if !o.once {
		a.onEvent = watchers.hear
	}
	p, err := a.storePlace(cmd)
	if err != nil {
		return err
	}
	if watchers.notifier, err = o.tell.notifier(p.BackendTransport(), log); err != nil {
		return err
	}
	logins, err := a.monitoredLogins(cmd.Context(), p, o.all)
	defer func() {
		for _, l := range logins {
			a.finish(l.manager)
		}
	}()
	if err != nil {
		return err
	}
	m := &monitorServer{logins: logins, journal: watchers.journal, started: time.Now()}
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
		if names, err = p.Store.List(ctx); err != nil {
			return nil, fmt.Errorf("the logins of the store can't be listed: %w", err)
		}
	}
	for _, name := range names {
		of := *p
		of.Profile = name
		c := a.config(&of)
		c.Lazy, c.Delegate = true, nil
		m, err := codexauth.NewManager(c)
		if err != nil {
			return logins, err
		}
		logins = append(logins, monitored{name, m})
	}
	return logins, nil
}

func (a *app) runMonitor(ctx context.Context, o monitorOptions, m *monitorServer, w *watchers) error {
	l, err := listenLoopback(o.listen)
	if err != nil {
		return err
	}
	a.heedSignals()
	server := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	a.Say("watching over %s; metrics at http://%s/metrics", howMany(m.logins), l.Addr())
	working, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	beside.Go(func() { w.tell(working) })
	for _, login := range m.logins {
		watch := w.watch(login.name, login.manager)
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

// listenLoopback listens where no other machine comes.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, hint.Usagef("--listen is a loopback address with a port, such as %s", monitorListen)
	}
	if !isLoopback(host) {
		return nil, hint.Usage("whoever reaches the metrics may read whose login it is, so --listen takes a loopback address only", "for other machines use `codexauth serve`, with a key that may read the metrics, or a proxy that asks who comes")
	}
	return net.Listen("tcp", address)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// monitorServer answers about logins.
type monitorServer struct {
	logins  []monitored
	journal *monitor.Journal // nil: nobody watches over them
	started time.Time
}

// ServeHTTP refuses web pages: one may reach a loopback address by a name of its own.
func (m *monitorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Header["Origin"] != nil || !isLoopback(strings.Trim(host, "[]")):
		http.Error(w, "this server is not for web pages, and answers to loopback names only", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
	case r.URL.Path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, m.metrics(r.Context()))
	case r.URL.Path == "/healthz":
		answerJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case r.URL.Path == "/readyz":
		m.ready(w, r)
	default:
		http.Error(w, "there are /metrics, /healthz and /readyz", http.StatusNotFound)
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
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
		} else if result, text := judge(l.Status, 0, time.Now()); result == checkCritical {
			bad = append(bad, notReady{name, string(l.Status.State), cleantext.Message(text)})
		}
	}
	if len(bad) > 0 {
		answerJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "not_ready", "logins": bad})
		return
	}
	answerJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
