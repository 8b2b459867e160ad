// Package serving has what makes the command line a broker: `serve` and all below it,
// `top`, and the broker that one program gets for one run.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/monitoring"
	"codexauth/cmd/codexauth/internal/resident"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// streamPatience is how long streams may go on by default once the server is told
// to stop.
const streamPatience = 10 * time.Second

type serveOptions struct {
	socket, listen        string
	metricsListen         string
	tlsCert, tlsKey       string
	hosts                 []string
	uids                  []int
	requests, conns, each int
	remember              ByteSize
	profiles              []string
	allProfiles           bool
	keys                  KeyPlace
	drain                 time.Duration // for streams that are under way at the end
	inherited             []*os.File    // sockets of the service manager's
	log                   resident.LogOptions
	tell                  monitoring.TellOptions
}

// app is one run of the command line, as what serves sees it.
type app struct{ *run.Run }

// Command makes the command that serves a login, those about its keys, and the one
// that shows in a browser how it is doing.
func Command(r *run.Run) *cobra.Command {
	a := &app{r}
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Let other programs use the login without holding it",
		Long: `Let other programs use the login without holding it, until Ctrl-C.

Under /v1 the server speaks OpenAI's public API, chat completions and Responses,
to any client whose base URL ends in /v1. Requests under /backend-api/codex/ are
passed to the backend as they are, with the credentials put in; WebSockets, too.
POST /token leases an access token, and /metrics is for Prometheus; both take a key
with that right. /healthz says that the process lives and /readyz that the login
works, to anyone. It starts without a login, too, and serves as soon as there is one.

On a Unix socket, which is the default, it serves this user, and on Linux and macOS
those of --allow-uid; only this user may lease. On TCP, with --listen, it serves clients
with a key of ` + "`codexauth serve key add`" + `; beyond this machine that requires TLS.
Sockets that systemd hands over are served, too, by the same rules.

With several --profile, or --all-profiles, each key is for one login: the one that
` + "`codexauth --profile NAME serve key add`" + ` names, else the first. None ever stands in
for another.

A line for each request goes to standard error: who, what, how it ended, and how
many tokens it took; never its content. So do the login's events, each with what to
do. Answers on /v1/responses are remembered
for an hour, in memory, for programs that refer to them; --remember 0 turns that off.`,
		Example: `  codexauth serve
  curl --unix-socket ~/.local/state/codexauth/serve.sock http://broker/v1/models
  codexauth serve key add laptop
  codexauth serve --listen 127.0.0.1:8461
  codexauth serve --profile me --profile ci --keys store --listen 127.0.0.1:8461
  codexauth serve --listen 0.0.0.0:8461 --tls-cert cert.pem --tls-key key.pem --host broker.example`,
		Args: run.UnknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.socket, "socket", "", "`PATH` of the Unix socket, in a directory of yours alone (default serve.sock next to the store, unless --listen is given)")
	f.StringVar(&o.listen, "listen", "", "`HOST:PORT` for clients with keys; port 0 picks a free one")
	f.StringVar(&o.metricsListen, "metrics-listen", "", "loopback `HOST:PORT` on which /metrics, /healthz and /readyz are answered without a key (default: nowhere)")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM `FILE` with the certificate for --listen")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM `FILE` with its private key")
	f.StringArrayVar(&o.hosts, "host", nil, "`NAME` by which clients reach the server, in addition to localhost (may be repeated)")
	f.IntSliceVar(&o.uids, "allow-uid", nil, "`UID` of another user who may use the socket (may be repeated; Linux and macOS)")
	f.IntVar(&o.requests, "max-requests", 0, "how many requests and streams may be under way at once (`N`, default 8192, or what the limit on open files allows)")
	f.IntVar(&o.conns, "max-conns", 0, "how many connections may be open (`N`, default 10240, or what that limit allows); when more come, the longest idle one is closed")
	f.IntVar(&o.each, "max-conns-per-peer", 0, "how many of them one remote address, or one other user of the socket, may have (`N`, default a quarter)")
	RememberFlag(f, &o.remember)
	o.log.Flags(f)
	f.StringVar(&o.log.Bounded, "bounded-log", "", "")
	_ = f.MarkHidden("bounded-log") // it is there
	f.BoolVar(&o.log.Buffered, "log-buffered", false, "buffer log lines for up to 20 ms; if the process is killed, the last ones are lost")
	o.tell.Flags(f)
	f.StringArrayVar(&o.profiles, "profile", nil, "`NAME` of the login to serve; repeated, each key is for one of them, and the first is for all who show none (CODEXAUTH_PROFILE; default \"default\")")
	f.BoolVar(&o.allProfiles, "all-profiles", false, "serve every login that the store has at the start")
	f.DurationVar(&o.drain, "drain", streamPatience, "how long streams may go on once the server is told to stop (`DURATION`)")
	_ = cmd.RegisterFlagCompletionFunc("profile", a.ProfileNames) // it fails only for a flag that does not exist
	cmd.PersistentFlags().StringVar(&o.keys.In, "keys", KeysInFile, "where keys are kept: `PLACE` is file, or store for every server of the login's store")
	run.CompleteWords(cmd, "keys", KeysInFile, KeysInStore)
	cmd.PersistentFlags().StringVar(&o.keys.File, "key-file", "", "`FILE` of the keys' hashes (default serve-keys.json next to the store)")
	cmd.AddCommand(a.serveKeyCommand(&o.keys), a.serveOpenCommand())
	return cmd
}

func (o serveOptions) check() error {
	if err := o.log.Check(); err != nil {
		return err
	}
	switch {
	case len(o.profiles) > 0 && o.allProfiles:
		return hint.Usagef("--profile and --all-profiles contradict each other")
	case o.drain < 0:
		return hint.Usagef("--drain takes a duration above 0, such as 5m")
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return hint.Usagef("--tls-cert and --tls-key go together")
	case o.requests < 0 || o.conns < 0 || o.each < 0:
		return hint.Usagef("--max-requests, --max-conns and --max-conns-per-peer are numbers above 0")
	case o.listen == "" && len(o.inherited) == 0 && (o.tlsCert != "" || len(o.hosts) > 0):
		return hint.Usage("--tls-cert and --host are for --listen, which is not given", "add --listen HOST:PORT")
	case o.listen != "" && o.socket == "" && len(o.inherited) == 0 && len(o.uids) > 0:
		return hint.Usage("--allow-uid is for the socket, and there is none", "add --socket PATH")
	}
	return nil
}

func (a *app) serve(cmd *cobra.Command, o serveOptions) error {
	o.inherited = activation.Files(true) // before there is a child to inherit them
	if err := o.check(); err != nil {
		return err
	}
	log, closeLog := o.log.Open(a.Stderr, a.Flags.Verbose)
	defer closeLog()
	watchers := &monitoring.Watchers{Journal: broker.NewJournal(log)}
	a.OnEvent, a.OnClaim = watchers.Hear, watchers.Journal.Claimed
	logins, err := a.servedLogins(cmd, o)
	defer func() {
		for _, l := range logins {
			a.Finish(l.manager)
		}
	}()
	if err != nil {
		return err
	}
	p := logins[0].place
	if watchers.Notifier, err = o.tell.Notifier(p.BackendTransport(), log); err != nil {
		return err
	}
	a.HeedSignals()
	defer resident.AdoptOrphans()()
	ctx := cmd.Context()
	if err := a.firstLooks(ctx, logins); err != nil {
		return err
	}
	home, err := o.keys.Of(p)
	if err != nil {
		return err
	}
	keys, count, err := a.firstKeys(ctx, home)
	if err != nil {
		return err
	}
	list, err := brokerLogins(logins)
	if err != nil {
		return err
	}
	s, err := broker.New(broker.Config{
		Logins: list, Keys: keys, Hosts: o.hosts, Transport: p.BackendTransport(), Log: log, Journal: watchers.Journal,
		MaxRequests: o.requests, MaxConns: o.conns, MaxConnsPerPeer: o.each, Memory: o.remember.memory(),
	})
	if err != nil {
		return err
	}
	listeners, err := o.open(p, log)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	var beside []func(context.Context)
	if o.metricsListen != "" {
		l, err := monitoring.ListenLoopback("--metrics-listen", o.metricsListen)
		if err != nil {
			return errors.Join(err, closeAll(listeners), s.Close())
		}
		a.Say("metrics at http://%s/metrics, without a key, for whoever is on this machine", l.Addr())
		beside = append(beside, func(ctx context.Context) {
			if err := (monitoring.Lookout{Metrics: s.Metrics, Ready: s.ServeReady}).ServeBeside(ctx, l); err != nil {
				log.Error("metrics can't be read any more", "error", err, "remedy", "restart the server")
			}
		})
	}
	if err := a.serveReady(listeners, o, count); err != nil {
		return errors.Join(err, closeAll(listeners), s.Close())
	}
	notify(daemon.SdNotifyReady)
	beside = append(beside,
		func(ctx context.Context) { home.Watch(ctx, keys, log) },
		func(ctx context.Context) { wake(ctx, logins, log) },
		watchers.Tell, resident.KeepHeapLean,
	)
	for _, l := range logins {
		beside = append(beside, watchers.Watch(l.place.Profile, l.manager))
	}
	return a.serveUntilStopped(ctx, s, listeners, o.drain, beside...)
}

// firstKeys reads the keys. Those of a store that is away come later.
func (a *app) firstKeys(ctx context.Context, home KeyHome) (*broker.Keys, int, error) {
	keys := new(broker.Keys)
	bounded, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	list, err := home.Load(bounded)
	if err != nil && !errors.Is(err, broker.ErrKeyFile) && ctx.Err() == nil {
		keys.Pending()
		a.Say("codexauth: the keys can't be read yet: %s; clients that send one are told to try again", cleantext.OneLine(err.Error()))
		return keys, -1, nil
	}
	if err == nil {
		err = keys.Replace(list)
	}
	return keys, len(list), err
}

// serveUntilStopped serves until ctx ends or a listener fails, with what is given
// running beside it. Whoever comes when it is told to stop is not taken any more: on a
// socket of a service manager's they wait for the next process.
func (a *app) serveUntilStopped(ctx context.Context, s *broker.Server, listeners []net.Listener, patience time.Duration, beside ...func(context.Context)) error {
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	for _, run := range beside {
		all.Go(func() { run(working) })
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		all.Go(func() { failed <- s.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
		defer a.After(500*time.Millisecond, fmt.Sprintf("letting the streams that are under way finish, for at most %v; a second signal ends them…", patience))()
	case err = <-failed:
	}
	s.StopAccepting()
	notify(daemon.SdNotifyStopping)
	if patience > streamPatience { // than the service manager may have been told
		notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (patience + streamPatience).Microseconds()))
	}
	bounded, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	bounded, again := signal.NotifyContext(bounded, run.Heeded(os.Interrupt, syscall.SIGTERM)...)
	defer again()
	if s.Shutdown(bounded) != nil {
		a.Say("codexauth: streams were cut off")
	}
	stopWorking()
	all.Wait()
	return err
}

// notify tells the service manager, if one asks to be told.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// shownAddr is an address by which clients reach a listener: by the first name of
// --host, if it listens beyond this machine.
func (o serveOptions) shownAddr(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || len(o.hosts) == 0 {
		return at.String()
	}
	return net.JoinHostPort(strings.Trim(o.hosts[0], "[]"), strconv.Itoa(tcp.Port))
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
			body.URL = "https://" + o.shownAddr(l.Addr())
		default:
			body.URL = "http://" + o.shownAddr(l.Addr())
		}
	}
	if a.Flags.JSON {
		return a.PrintJSON(body)
	}
	if body.Socket != "" {
		a.Say("serving on the socket %s", cleantext.OneLine(body.Socket))
	}
	if body.URL != "" {
		a.Say("serving on %s (OPENAI_BASE_URL=%[1]s/v1)", body.URL)
		if keys == 0 { // -1 is not known
			a.Say("no client has a key yet: %s makes one, which works at once", a.Command(o.keys.Named("serve key add NAME")))
		}
	}
	return nil
}

// NoRoom is why a file of the server's has no place of its own.
func NoRoom(flag string) error {
	return hint.Usage("there is no directory on this machine that codexauth may write to", "name a place with "+flag+", in a directory of yours alone")
}
