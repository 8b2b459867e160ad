package broker

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/internal/cleantext"
	"codexauth/internal/monitor"
	"codexauth/openai"
)

const overviewPath = "/overview"

// watchRoutes are those for whoever watches the broker.
func (s *Server) watchRoutes(table map[string]route) {
	table[overviewPath] = route{methods: "GET HEAD", class: pathStatus, needs: rightStatus, serve: s.handleOverview}
}

// handleOverview tells all that the status page shows. It needs no refresh. The
// holder of a key learns of its own login and of the keys for that.
func (s *Server) handleOverview(c *call, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	logins := s.loginsFor(c.client)
	open, _, _, _, _ := s.conns.counts()
	list, events := s.overviewOfLogins(ctx, logins)
	o := overview.Overview{
		At: time.Now().UTC().Truncate(time.Millisecond), StartedAt: s.started.UTC().Truncate(time.Second), Connections: open,
		Logins: list, Clients: s.overviewOfClients(c, logins), Models: []overview.Model{}, Events: events,
	}
	if len(logins) == len(s.logins) { // models are counted for all logins together
		o.Models = s.overviewOfModels()
	}
	writeJSON(c, http.StatusOK, o)
}

// toldEvents is how many events are told, of all logins together.
const toldEvents = 50

// overviewOfLogins also returns what happened to them, the latest first.
func (s *Server) overviewOfLogins(ctx context.Context, logins []*login) ([]overview.Login, []overview.Event) {
	waiting, cancel := context.WithTimeout(ctx, usageWait)
	defer cancel()
	list, happened := make([]overview.Login, len(logins)), make([][]overview.Event, len(logins))
	together(logins, func(i int, l *login) {
		status, err := l.Manager.Status(ctx)
		told := overview.LoginOf(status)
		if l.Name != "" {
			told.Profile = cleantext.Line(l.Name)
		}
		if err != nil {
			told.State, told.Error = "", cleantext.Message(err.Error())
		} else {
			told.Usage = l.usage.watched(waiting, s, l, status.State)
		}
		list[i], happened[i] = told, s.recent(told, status.Key)
	})
	events := append([]overview.Event{}, slices.Concat(happened...)...)
	slices.SortStableFunc(events, func(a, b overview.Event) int { return b.At.Compare(a.At) })
	return list, events[:min(len(events), toldEvents)]
}

// overviewOfClients are the clients of logins, by name. The request of whoever
// watches does not count as open.
func (s *Server) overviewOfClients(watcher *call, logins []*login) []overview.Client {
	list := []overview.Client{}
	keys, used := map[string]*heldKey{}, s.cfg.Keys.lastUsed()
	for _, key := range s.cfg.Keys.newest() {
		keys[key.who] = key
	}
	for name, of := range s.clients() {
		c := of.overview()
		c.Name = name
		if of == watcher.stats {
			c.Open--
		}
		key := keys[name]
		switch {
		case key != nil && !slices.Contains(logins, s.loginOf(key)) && watcher.client.key != nil,
			key == nil && watcher.client.key != nil && len(s.logins) > 1,
			of == &s.strangers && c.Requests == 0:
			continue
		case key != nil:
			describeKey(&c, key, used[key.Name])
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b overview.Client) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func describeKey(c *overview.Client, key *heldKey, used int64) {
	c.Profile, c.Rate, c.Streams, c.Lease, c.Expires = key.Login, key.Rate.String(), key.Streams, key.Lease, key.expires().UTC()
	if used > 0 {
		c.LastUsed = time.Unix(used, 0).UTC()
	}
}

func (s *stats) overview() overview.Client {
	c := overview.Client{Open: s.open.Load(), In: s.in.Load(), Out: s.out.Load()}
	for class := range pathClasses {
		if class == pathStatus {
			continue // whoever only watches does not ask
		}
		for hundreds := range s.requests[class] {
			n := s.requests[class][hundreds].Load()
			c.Requests += n
			switch hundreds {
			case 4:
				c.Refused += n
			case 5:
				c.Failed += n
			}
		}
	}
	for i, kind := range tokenKinds {
		if kind == "input" || kind == "output" { // the others are parts of these
			c.Tokens += s.tokens[i].Load()
		}
	}
	return c
}

func (s *Server) overviewOfModels() []overview.Model {
	byName := map[string]overview.Model{}
	for a, n := range s.answers.all() {
		m := byName[a.model]
		m.Name, m.Answers = cleantext.Line(a.model), m.Answers+n
		if a.ended != openai.Completed && a.ended != openai.Incomplete {
			m.Failed += n
		}
		byName[a.model] = m
	}
	list := slices.AppendSeq([]overview.Model{}, maps.Values(byName))
	slices.SortFunc(list, func(a, b overview.Model) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// recent is what happened to a login lately: what the journal has, and before that
// what the record tells.
func (s *Server) recent(told overview.Login, key string) (list []overview.Event) {
	var since time.Time
	if s.cfg.Journal != nil {
		for _, e := range s.cfg.Journal.Recent(key) {
			if since.IsZero() {
				since = e.At
			}
			list = append(list, eventOf(e, told.Profile))
		}
	}
	add := func(e overview.Event) {
		if !e.At.IsZero() && (since.IsZero() || e.At.Before(since.Truncate(time.Second))) {
			e.Profile = told.Profile
			list = append(list, e)
		}
	}
	add(overview.Event{At: told.LastRefresh, Text: "the login was refreshed"})
	if r := told.Refusal; r != nil {
		add(overview.Event{At: r.At, Bad: true, Text: "the server no longer accepts the login: " + r.Code})
	}
	return list
}

func eventOf(e codexauth.Event, profile string) overview.Event {
	d := monitor.Describe(e)
	told := overview.Event{At: e.At.UTC().Truncate(time.Second), Profile: profile, Bad: d.Remedy != "", Text: d.Message, Remedy: d.Remedy}
	if d.Reason != "" {
		told.Text += ": " + d.Reason
	}
	return told
}
