package codexauth

import (
	"context"
	"time"

	"codexauth/internal/oauth"
)

// knownEndpoints is what discovery found, kept with the record so that not every
// process asks for it at every refresh.
type knownEndpoints struct {
	Authorize           string    `json:"authorize"`
	Token               string    `json:"token"`
	Revoke              string    `json:"revoke,omitempty"`
	DeviceAuthorization string    `json:"device_authorization,omitempty"`
	IssParameter        bool      `json:"iss_parameter,omitempty"`
	Announced           bool      `json:"announced,omitempty"`
	At                  time.Time `json:"at"` // when the issuer said so

	unknown unknown
}

// endpointsLife is how long they are believed: servers move now and then.
const endpointsLife = 24 * time.Hour

func remembered(e oauth.Endpoints, now time.Time) *knownEndpoints {
	if e.Issuer == oauth.OpenAIIssuer {
		return nil // built in
	}
	return &knownEndpoints{
		Authorize: e.Authorize, Token: e.Token, Revoke: e.Revoke, DeviceAuthorization: e.DeviceAuthorization,
		IssParameter: e.IssParameter, Announced: e.Announced, At: now.UTC().Truncate(time.Second),
	}
}

// endpoints returns what r remembers of its issuer, if that still holds.
func (r *record) endpoints(now time.Time) (oauth.Endpoints, bool) {
	k := r.Endpoints
	if k == nil || now.Sub(k.At).Abs() > endpointsLife {
		return oauth.Endpoints{}, false
	}
	e := oauth.Endpoints{
		Issuer: r.Issuer, Authorize: k.Authorize, Token: k.Token, Revoke: k.Revoke, DeviceAuthorization: k.DeviceAuthorization,
		IssParameter: k.IssParameter, Announced: k.Announced,
	}
	return e, e.Token != "" && e.Check() == nil
}

// moved reports whether an error says that the token endpoint may be elsewhere by
// now.
func moved(e *oauth.Error) bool {
	return e.Status == 404 || e.Status == 405 || e.Status == 410 || e.Status/100 == 3 || e.Status == 0
}

// rememberEndpoints notes in r what this Manager has learned, if r knows nothing
// as good.
func (k *keeper) rememberEndpoints(r *record, now time.Time) {
	if _, ok := r.endpoints(now); ok {
		return
	}
	if e := k.endpoints.Load(); e != nil {
		r.Endpoints = remembered(*e, now)
	}
}

func (m *Manager) oauthClient(e oauth.Endpoints) *oauth.Client {
	return &oauth.Client{HTTP: oauth.DefaultHTTP(m.http), Endpoints: e, ClientID: m.provider.ClientID, UserAgent: m.cfg.UserAgent}
}

// discoveryTimeout bounds the requests for an issuer's metadata.
const discoveryTimeout = 20 * time.Second

// discover returns the issuer's endpoints, asking for them once.
func (m *Manager) discover(ctx context.Context) (oauth.Endpoints, error) {
	if known := m.endpoints.Load(); known != nil {
		return *known, nil
	}
	select {
	case m.discovering <- struct{}{}:
		defer func() { <-m.discovering }()
		return m.ask(ctx)
	case <-ctx.Done():
		return oauth.Endpoints{}, &Error{Op: "discovery", Kind: ErrTransient, Err: context.Cause(ctx)}
	}
}

// discoverFor is discover for a record, which may remember the answer.
func (k *keeper) discoverFor(ctx context.Context, rec *record) (oauth.Endpoints, error) {
	if k.endpoints.Load() == nil && rec.Issuer == k.provider.Issuer {
		if e, ok := rec.endpoints(time.Now()); ok {
			k.endpoints.CompareAndSwap(nil, &e)
		}
	}
	return k.discover(ctx)
}

// forgetEndpoints: they are asked for again when they are needed next.
func (m *Manager) forgetEndpoints() { m.endpoints.Store(nil) }

// discoverAhead begins to, unless somebody is at it. The caller is a flight, for
// which Close waits.
func (m *Manager) discoverAhead() {
	select {
	case m.discovering <- struct{}{}:
		m.wg.Go(func() {
			defer func() { <-m.discovering }()
			_, _ = m.ask(m.ctx) // who needs them asks again, and reports it
		})
	default:
	}
}

// ask is discover for the one who has put something into m.discovering.
func (m *Manager) ask(ctx context.Context) (oauth.Endpoints, error) {
	if known := m.endpoints.Load(); known != nil { // whoever asked before has learned them
		return *known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	e, err := oauth.Locate(ctx, m.http, m.provider.Issuer)
	if err == nil {
		m.endpoints.Store(&e)
	}
	return e, public(err)
}
