package monitoring

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"codexauth"
	"codexauth/cmd/codexauth/internal/alert"
	"codexauth/internal/hint"
	"codexauth/internal/monitor"
)

// TellOptions say where a command that stays running reports events.
type TellOptions struct {
	command, webhook string
}

// Flags defines the flags that say it.
func (o *TellOptions) Flags(f *pflag.FlagSet) {
	f.StringVar(&o.command, "on-event", "", "run `PROGRAM`, or a JSON array of one and its arguments, when the login is refused, can't be refreshed, or works again: once for all processes that share it and have this flag")
	f.StringVar(&o.webhook, "webhook", "", "POST such an event as JSON to `URL` (https, or loopback), or to the one in the file @PATH")
}

// Notifier returns what reports events, or nil.
func (o TellOptions) Notifier(transport http.RoundTripper, log *slog.Logger) (*alert.Notifier, error) {
	if o.command == "" && o.webhook == "" {
		return nil, nil
	}
	cfg := alert.Config{Webhook: o.webhook, Transport: transport, Log: log}
	if path, ok := strings.CutPrefix(o.webhook, "@"); ok {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		cfg.Webhook = strings.TrimSpace(string(text))
	}
	var err error
	if o.command != "" {
		if cfg.Command, err = alert.ParseCommand(o.command); err != nil {
			return nil, hint.Usage("--on-event: "+err.Error(), "")
		}
	}
	n, err := alert.New(cfg)
	if err != nil {
		return nil, hint.Usage(err.Error(), "give --webhook and --on-event what can be used")
	}
	return n, nil
}

// Watchers look after what happens to several logins: a journal of it, and people who
// are told. A Manager's OnEvent is set before there is a Manager to announce with.
type Watchers struct {
	Journal  *monitor.Journal
	Notifier *alert.Notifier // nil: nobody is told

	mu       sync.Mutex
	begun    bool
	early    []codexauth.Event // what happened before it had begun
	managers map[string]*codexauth.Manager
}

// Hear is a Config.OnEvent. A command that does not get as far as to begin says why by
// itself.
func (w *Watchers) Hear(e codexauth.Event) {
	w.mu.Lock()
	if !w.begun {
		w.early = append(w.early, e) // a first look at each login makes one or two
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	w.pass(e)
}

func (w *Watchers) pass(e codexauth.Event) {
	w.Journal.Hear(e)
	if w.Notifier != nil {
		w.Notifier.Hear(e, w.announce)
	}
}

func (w *Watchers) announce(ctx context.Context, e codexauth.Event) (bool, error) {
	w.mu.Lock()
	m := w.managers[e.Key]
	w.mu.Unlock()
	if m == nil {
		return true, nil
	}
	return m.Announce(ctx, e)
}

// Watch looks at m's store until ctx ends.
func (w *Watchers) Watch(name string, m *codexauth.Manager) func(context.Context) {
	w.mu.Lock()
	if w.managers == nil {
		w.managers = map[string]*codexauth.Manager{}
	}
	w.managers[name] = m
	w.mu.Unlock()
	looked := w.Journal.Looked(name)
	return func(ctx context.Context) { _ = m.Watch(ctx, looked) } // it fails only where a broker has the login
}

// Tell notifies people until ctx ends. It runs in a goroutine of its own.
func (w *Watchers) Tell(ctx context.Context) {
	w.mu.Lock()
	early := w.early
	w.begun, w.early = true, nil
	w.mu.Unlock()
	for _, e := range early {
		w.pass(e)
	}
	if w.Notifier != nil {
		w.Notifier.Run(ctx)
	}
}
