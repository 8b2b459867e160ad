package codexauth

import (
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
