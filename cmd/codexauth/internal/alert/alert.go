// Package alert tells people, by a program or a webhook, when a login needs them.
package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/address"
	"codexauth/internal/cleantext"
	"codexauth/internal/monitor"
)

const (
	// mostWaiting is how many events wait while a program runs or a webhook is slow;
	// of more, the oldest are dropped.
	mostWaiting = 32
	// toldWithin is how long it is tried to find out whether others report an event.
	// Where that can't be found out, it is told: twice is better than never.
	toldWithin = 20 * time.Second

	commandLimit = 30 * time.Second
	webhookLimit = 10 * time.Second
	// stopLimit is how long a program has once we are told to stop: whoever stops us
	// may kill us after half a minute.
	stopLimit = 10 * time.Second
)

// webhookPauses are those between attempts.
var webhookPauses = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}

// Config says whom to tell, and how.
type Config struct {
	Command []string // a program and its arguments; no shell sees them
	Webhook string   // URL
	// Transport goes to the webhook; nil is http.DefaultTransport.
	Transport http.RoundTripper
	Log       *slog.Logger
}

// Notifier reports events, one at a time, in the order in which they came.
type Notifier struct {
	cfg    Config
	client *http.Client

	mu      sync.Mutex
	waiting []job
	more    chan struct{}
}

type job struct {
	event    codexauth.Event
	announce func(context.Context, codexauth.Event) (bool, error)
}

// ErrWebhook: an address is no webhook's.
var ErrWebhook = errors.New("a webhook's address begins with https://, or with http:// and a loopback address, and names no user")

// New checks cfg. A program must be there.
func New(cfg Config) (*Notifier, error) {
	if len(cfg.Command) > 0 {
		path, err := exec.LookPath(cfg.Command[0])
		if err != nil {
			return nil, fmt.Errorf("the program for events: %w", err)
		}
		cfg.Command = append([]string{path}, cfg.Command[1:]...)
	}
	if cfg.Webhook != "" {
		if err := checkWebhook(cfg.Webhook); err != nil {
			return nil, err
		}
	}
	client := &http.Client{
		Transport: cfg.Transport, Timeout: webhookLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Notifier{cfg: cfg, client: client, more: make(chan struct{}, 1)}, nil
}

// ParseCommand reads a program, or a JSON array of a program and its arguments.
func ParseCommand(text string) ([]string, error) {
	if !strings.HasPrefix(text, "[") {
		return []string{text}, nil
	}
	var argv []string
	if err := json.Unmarshal([]byte(text), &argv); err != nil || len(argv) == 0 || argv[0] == "" {
		return nil, errors.New(`write a program, or a JSON array such as ["/usr/local/bin/page", "--urgent"]`)
	}
	return argv, nil
}

func checkWebhook(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return ErrWebhook
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !address.Loopback(u.Hostname())) {
		return ErrWebhook
	}
	return nil
}

// worthTelling: somebody has to do something, or no longer has to.
func worthTelling(e codexauth.Event) bool {
	switch e.Kind {
	case codexauth.EventRefused, codexauth.EventBackingOff, codexauth.EventUnknownOutcome:
		return true
	}
	return e.Recovered
}

// Hear takes an event of a login, and asks announce whether it is ours to report.
// It does not wait.
func (n *Notifier) Hear(e codexauth.Event, announce func(context.Context, codexauth.Event) (bool, error)) {
	if !worthTelling(e) {
		return
	}
	n.mu.Lock()
	n.waiting = append(n.waiting, job{e, announce})
	if len(n.waiting) > mostWaiting {
		n.waiting = n.waiting[1:]
		n.cfg.Log.Warn("events come faster than they can be delivered; the oldest is dropped")
	}
	n.mu.Unlock()
	select {
	case n.more <- struct{}{}:
	default:
	}
}

// Run reports events until ctx ends. What is being told then finishes.
func (n *Notifier) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.more:
		}
		for j, ok := n.next(); ok && ctx.Err() == nil; j, ok = n.next() {
			n.tell(ctx, j)
		}
	}
}

func (n *Notifier) next() (job, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) == 0 {
		return job{}, false
	}
	j := n.waiting[0]
	n.waiting = n.waiting[1:]
	return j, true
}

func (n *Notifier) tell(ctx context.Context, j job) {
	if !n.ours(ctx, j) {
		return
	}
	body, err := json.Marshal(monitor.BodyOf(j.event))
	if err != nil {
		n.cfg.Log.Error("an event can't be written", "error", err)
		return
	}
	var both sync.WaitGroup
	if len(n.cfg.Command) > 0 {
		both.Go(func() { n.run(ctx, j.event, body) })
	}
	if n.cfg.Webhook != "" {
		both.Go(func() { n.post(ctx, body) })
	}
	both.Wait()
}

// ours: nobody else reports the event, or it can't be found out.
func (n *Notifier) ours(ctx context.Context, j job) bool {
	if j.announce == nil {
		return true
	}
	bounded, cancel := context.WithTimeout(ctx, toldWithin)
	defer cancel()
	noted := false // perhaps: an attempt to note that it is ours failed, and may have landed
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		mine, err := j.announce(bounded, j.event)
		if err == nil {
			return mine || noted
		}
		noted = noted || mine && !errors.Is(err, codexauth.ErrLost)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-bounded.Done():
			timer.Stop()
			n.cfg.Log.Warn("the store could not record who delivers an event: this process does", "error", cleantext.Message(err.Error()))
			return ctx.Err() == nil
		}
	}
}

// post sends an event to the webhook, again where that fails in a way that may pass.
// Its address may be a secret, and is in no message.
func (n *Notifier) post(ctx context.Context, body []byte) {
	for attempt := 0; ; attempt++ {
		why, passes := n.postOnce(ctx, body)
		if why == "" {
			return
		}
		if !passes || attempt == len(webhookPauses) {
			n.cfg.Log.Error("an event was not delivered to the webhook", "reason", why, "remedy", "check the address of --webhook, and what answers there")
			return
		}
		timer := time.NewTimer(webhookPauses[attempt])
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			n.cfg.Log.Error("an event was not delivered to the webhook, and is not retried: this process stops", "reason", why, "remedy", "look at the login: codexauth status")
			return
		}
	}
}

// outlast returns a context that goes on when ctx ends, but not for longer than a stop
// may take.
func outlast(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopLimit, cancel)
		context.AfterFunc(lasting, func() { timer.Stop() })
	})
	return lasting, func() { stop(); cancel() }
}

func (n *Notifier) postOnce(ctx context.Context, body []byte) (why string, passes bool) {
	ctx, cancel := outlast(ctx, webhookLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.Webhook, strings.NewReader(string(body)))
	if err != nil {
		return "the address can't be used", false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "codexauth")
	resp, err := n.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // it would repeat the address
		}
		return cleantext.Message(err.Error()), true
	}
	resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return "", false
	}
	return resp.Status[:min(len(resp.Status), 3)], resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
}
