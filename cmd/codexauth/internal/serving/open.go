package serving

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker/client"
	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/page"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/watch"
	"codexauth/internal/browser"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// How long the link works. The one that starts a browser stands in a process list;
// the one that is printed is for a person who may have to forward the port first.
const (
	linkLife        = time.Minute
	printedLinkLife = 10 * time.Minute
)

func (a *app) serveOpenCommand() *cobra.Command {
	var socket, listen string
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Show in your browser how a running server and its login are doing",
		Long: `Show in your browser how a running server and its login are doing: the state and
the next refresh, the limits and how long they last at this pace, who asks, and
what happened lately. The page stays up to date by itself. Nothing can be changed
there. Looking refreshes nothing, unless the backend rejects the token when it is
asked for the limits.

This command serves the page, on a port of this machine, and asks the server on its
socket. The page is open until Ctrl-C, for 12 hours at most, to the browser that
opens the link first; the link works once, for a minute (for ten where it is only
printed). A server elsewhere, or one without a socket, is named with --store, and
asked with a key that may lease.`,
		Example: `  codexauth serve open
  codexauth serve open --no-browser --listen 127.0.0.1:8462
  codexauth serve open --store "broker+https://broker.example:8461?key-file=$HOME/ci.key"`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveOpen(cmd, socket, listen, noBrowser) },
	}
	f := cmd.Flags()
	f.StringVar(&socket, "socket", "", "`PATH` of the server's socket (default serve.sock next to the store)")
	f.StringVar(&listen, "listen", "127.0.0.1:0", "`HOST:PORT` of this machine for the page; port 0 picks a free one")
	f.BoolVar(&noBrowser, "no-browser", false, "don't start a browser, only print the link")
	return cmd
}

func (a *app) serveOpen(cmd *cobra.Command, socket, listen string, noBrowser bool) error {
	w, _, err := a.watcher(cmd, socket)
	if err != nil {
		return err
	}
	if _, err := w.Ask(cmd.Context()); err != nil {
		return a.noServer(err)
	}
	l, err := pageListener(listen)
	if err != nil {
		return err
	}
	a.HeedSignals()
	ctx := cmd.Context()
	starts := !noBrowser && !a.Flags.JSON && browser.Available()
	s := &page.Server{
		Look: w.Look, LinkLife: printedLinkLife,
		Opened: func() { a.Say("The page is open until you press Ctrl-C here.") },
		Stranger: func(uid string) {
			a.Say("codexauth: a program of another user of this machine (user id %s) was turned away.", uid)
		},
	}
	if starts {
		s.LinkLife = linkLife
	}
	err = s.Serve(ctx, l, func(link string) { a.showLink(link, starts) })
	if errors.Is(err, page.ErrUnopened) || errors.Is(err, page.ErrReplayed) {
		return hint.With(err, a.Command("serve open")+" makes another one")
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	var stop run.Stopped
	if errors.As(err, &stop) { // that is how one leaves
		return nil
	}
	return err
}

// showLink opens the browser, or says what to open. The link is the answer, for
// scripts.
func (a *app) showLink(link string, starts bool) {
	if a.Flags.JSON {
		_ = a.PrintJSON(map[string]string{"link": link}) // who reads it can't be there twice
		return
	}
	if !starts {
		a.Say("Open this link within %d minutes, in one browser; it works once:", int(printedLinkLife/time.Minute))
		_ = a.Print(link + "\n")
		return
	}
	a.Say("Opening your browser. If it does not open, go to:\n%s", link)
	go func() {
		if err := browser.Open(link); err != nil {
			a.Say("Your browser could not be started (%s): open the link yourself.", cleantext.OneLine(err.Error()))
		}
	}()
}

// pageListener listens on this machine alone: the page has no TLS.
func pageListener(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	if host == "localhost" {
		ip = net.IPv4(127, 0, 0, 1)
	}
	if err != nil || ip == nil || !ip.IsLoopback() {
		return nil, hint.Usage("--listen is not an address of this machine alone", "write 127.0.0.1:PORT; from elsewhere it is reached with `ssh -L PORT:127.0.0.1:PORT HOST`")
	}
	return net.Listen("tcp", net.JoinHostPort(ip.String(), port))
}

// watcher watches the broker that --store names, or the one on this machine.
func (a *app) watcher(cmd *cobra.Command, socket string) (*watch.Watcher, *place.Place, error) {
	p, err := a.Place(cmd)
	if err != nil {
		return nil, nil, err
	}
	ask := p.Broker
	if ask != nil && socket != "" {
		return nil, nil, hint.Usagef("--socket is for a server of this machine, and --store names another one")
	}
	if ask == nil {
		if socket == "" && p.LockDir == "" {
			return nil, nil, NoRoom("--socket")
		}
		if socket == "" {
			socket = filepath.Join(p.LockDir, "serve.sock")
		}
		if ask, err = client.New("broker+unix:"+socket, client.Options{}); err != nil {
			return nil, nil, err
		}
	}
	w := &watch.Watcher{
		Ask:    func(ctx context.Context) (*overview.Overview, error) { return ask.Overview(ctx) },
		Remedy: func(profile string) string { return "run " + a.CommandOf(profile, "login") },
	}
	return w, p, nil
}

// noServer says what to do where no server answers.
func (a *app) noServer(err error) error {
	if errors.Is(err, client.ErrUnreachable) && !a.Leased {
		return hint.With(err, "start one with "+a.Command("serve")+", name its socket with --socket, or one without a socket with --store broker+http://127.0.0.1:PORT and a key of `serve key add NAME --lease`; "+
			a.Command("status")+" shows a login without one")
	}
	return err
}
