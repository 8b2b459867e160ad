package broker

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"codexauth/broker/overview"
	"codexauth/internal/cleantext"
	"codexauth/openai"
)

// watchRoutes are those for whoever watches the broker.
func (s *Server) watchRoutes(table map[string]route) {
	table["/overview"] = route{methods: "GET HEAD", class: pathStatus, needs: rightStatus, serve: s.handleOverview}
}

// handleOverview tells all that the status page shows. It needs no refresh. The
// holder of a key learns of its own login and of the keys for that.
func (s *Server) handleOverview(c *call, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	logins := s.logins
	if c.client.key != nil {
		logins = []*login{c.login}
	}
	open, _, _, _, _ := s.conns.counts()
	o := overview.Overview{
		At: time.Now().UTC().Truncate(time.Millisecond), StartedAt: s.started.UTC().Truncate(time.Second), Connections: open,
		Logins: s.overviewOfLogins(ctx, logins), Clients: s.overviewOfClients(c, logins), Models: []overview.Model{}, Events: []overview.Event{},
	}
	if len(logins) == len(s.logins) { // models are counted for all logins together
		o.Models = s.overviewOfModels()
	}
	for _, l := range o.Logins {
		o.Events = append(o.Events, recent(l)...)
	}
	slices.SortStableFunc(o.Events, func(a, b overview.Event) int { return b.At.Compare(a.At) })
	o.Events = o.Events[:min(len(o.Events), mostEvents)]
	writeJSON(c, http.StatusOK, o)
}

// mostEvents is how many events are told.
const mostEvents = 50

func (s *Server) overviewOfLogins(ctx context.Context, logins []*login) []overview.Login {
	waiting, cancel := context.WithTimeout(ctx, usageWait)
	defer cancel()
	list := make([]overview.Login, len(logins))
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
		list[i] = told
	})
	return list
}

// overviewOfClients are the clients of logins, by name. The request of whoever
// watches does not count as open.
func (s *Server) overviewOfClients(watcher *call, logins []*login) []overview.Client {
	list := []overview.Client{}
	keys := map[string]*heldKey{}
	for _, key := range s.cfg.Keys.held() {
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
			describeKey(&c, key)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b overview.Client) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func describeKey(c *overview.Client, key *heldKey) {
	c.Profile, c.Rate, c.Streams, c.Lease, c.Expires = key.Login, key.Rate.String(), key.Streams, key.Lease, key.Expires.UTC()
	if at := key.used.Load(); at > 0 {
		c.LastUsed = time.Unix(at, 0).UTC()
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

// recent is what happened to a login lately, as far as its record tells.
func recent(l overview.Login) (list []overview.Event) {
	if !l.LastRefresh.IsZero() {
		list = append(list, overview.Event{At: l.LastRefresh, Profile: l.Profile, Text: "the access token was refreshed"})
	}
	if r := l.Refusal; r != nil {
		list = append(list, overview.Event{At: r.At, Profile: l.Profile, Bad: true, Text: "the server refused the login: " + r.Code,
			Remedy: "run `codexauth login` where the broker runs"})
	}
	return list
}
