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

// handleOverview tells all that the status page shows. It needs no refresh.
func (s *Server) handleOverview(c *call, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	writeJSON(c, http.StatusOK, s.overview(ctx, c.stats))
}

func (s *Server) overview(ctx context.Context, watcher *stats) overview.Overview {
	open, _, _, _, _ := s.conns.counts()
	login := s.overviewOfLogin(ctx)
	return overview.Overview{
		At: time.Now().UTC().Truncate(time.Millisecond), StartedAt: s.started.UTC().Truncate(time.Second), Connections: open,
		Logins: []overview.Login{login}, Clients: s.overviewOfClients(watcher), Models: s.overviewOfModels(), Events: s.recent(login),
	}
}

func (s *Server) overviewOfLogin(ctx context.Context) overview.Login {
	status, err := s.cfg.Manager.Status(ctx)
	login := overview.LoginOf(status)
	if err != nil {
		login.State, login.Error = "", cleantext.Message(err.Error())
		return login
	}
	login.Usage = s.usage.watched(ctx, s, status.State)
	return login
}

// overviewOfClients are all clients by name. The request of whoever watches does
// not count as open.
func (s *Server) overviewOfClients(watcher *stats) []overview.Client {
	list := []overview.Client{}
	keys := map[string]*heldKey{}
	for _, key := range s.cfg.Keys.held() {
		keys[key.who] = key
	}
	for name, of := range s.clients() {
		c := of.overview()
		c.Name = name
		if of == watcher {
			c.Open--
		}
		if key := keys[name]; key != nil {
			c.Rate, c.Streams, c.Lease, c.Expires = key.Rate.String(), key.Streams, key.Lease, key.Expires.UTC()
			if at := key.used.Load(); at > 0 {
				c.LastUsed = time.Unix(at, 0).UTC()
			}
		} else if of == &s.strangers && c.Requests == 0 {
			continue
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b overview.Client) int { return strings.Compare(a.Name, b.Name) })
	return list
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

// recent is what happened to the login lately, the latest first, as far as its
// record tells.
func (s *Server) recent(l overview.Login) []overview.Event {
	list := []overview.Event{}
	if !l.LastRefresh.IsZero() {
		list = append(list, overview.Event{At: l.LastRefresh, Profile: l.Profile, Text: "the access token was refreshed"})
	}
	if r := l.Refusal; r != nil {
		list = append(list, overview.Event{At: r.At, Profile: l.Profile, Bad: true, Text: "the server refused the login: " + r.Code,
			Remedy: "run `codexauth login` where the broker runs"})
	}
	slices.SortStableFunc(list, func(a, b overview.Event) int { return b.At.Compare(a.At) })
	return list
}
