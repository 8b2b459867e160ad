package broker

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"codexauth"
	"codexauth/internal/monitor"
	"codexauth/internal/oauth"
	"codexauth/openai"
)

// Login is one of several logins that a Server serves. Each key is for one of them,
// and none ever replaces another.
type Login struct {
	// Name is what keys call it: a profile's name. No two are alike.
	Name string
	// Manager has the login. The caller closes it after the Server.
	Manager *codexauth.Manager
	// Backend is the BackendURL of the Manager's provider. Empty means OpenAI's.
	Backend string
}

// login is a Login at work.
type login struct {
	Login
	backend    *url.URL
	signed     http.RoundTripper // the way to the backend, credentials included
	translator *openai.Transport
	leased     atomic.Pointer[leaseAnswer]
	seen       atomic.Pointer[tokenPair]
	limits     monitor.Limits
	ready      readiness
	usage      usageWatch
}

// loginsOf are the logins of cfg; the first is for whoever shows no key that names
// another.
func (s *Server) loginsOf(cfg Config) error {
	list := cfg.Logins
	if len(list) == 0 {
		list = []Login{{Manager: cfg.Manager, Backend: cfg.Backend}}
	}
	s.named = map[string]*login{}
	for _, of := range list {
		l, err := s.newLogin(of)
		if err != nil {
			return err
		}
		if s.named[of.Name] != nil {
			return fmt.Errorf("broker: two logins are named %q", of.Name)
		}
		s.logins, s.named[of.Name] = append(s.logins, l), l
	}
	return nil
}

func (s *Server) newLogin(of Login) (*login, error) {
	if of.Manager == nil {
		return nil, errors.New("broker: a login has no Manager")
	}
	if of.Backend == "" {
		of.Backend = oauth.OpenAIBackend
	}
	backend, err := url.Parse(strings.TrimSuffix(of.Backend, "/"))
	if err != nil || backend.Host == "" || backend.User != nil || backend.RawQuery != "" {
		return nil, errors.New("broker: a login's Backend is not the URL of a backend")
	}
	l := &login{Login: of, backend: backend}
	l.signed = of.Manager.Transport(upstream{s.cfg.Transport, &s.met, &l.seen, &l.limits})
	l.translator = s.newTranslator(l.signed, of.Backend)
	return l, nil
}

// loginOf is the login of a key, or nil if it is not served here.
func (s *Server) loginOf(k *heldKey) *login {
	if k == nil || k.Login == "" {
		return s.logins[0]
	}
	return s.named[k.Login]
}

// lookTogether is how many logins are looked at at once for a list of all.
const lookTogether = 8

// together looks at logins, several at a time.
func together(logins []*login, look func(i int, l *login)) {
	next := make(chan int)
	var all sync.WaitGroup
	for range min(lookTogether, len(logins)) {
		all.Go(func() {
			for i := range next {
				look(i, logins[i])
			}
		})
	}
	for i := range logins {
		next <- i
	}
	close(next)
	all.Wait()
}

// byLogin sends a request by way of the login that it is for.
type byLogin struct{}

func (byLogin) RoundTrip(req *http.Request) (*http.Response, error) {
	return callOf(req.Context()).login.signed.RoundTrip(req)
}

// lists reports whether the backend lists a model, for any login.
func (s *Server) lists(model string) bool {
	for _, l := range s.logins {
		if l.translator.Lists(model) {
			return true
		}
	}
	return false
}
