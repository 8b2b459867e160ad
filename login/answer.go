package login

import (
	"crypto/subtle"
	"net/url"
	"slices"
	"strings"
)

// Attempt is what an authorization response must agree with to count as the
// answer to one authorization request.
type Attempt struct {
	RedirectURI string
	State       string
	Issuer      string
	// RequireIss: the server announced that its responses name it (RFC 9207).
	// Where a response does, it is checked in any case.
	RequireIss bool
}

// ParseCallback reads the query of an authorization response (RFC 6749 §4.1.2)
// and returns its authorization code. An [*AuthorizationError] is the server's
// answer to this attempt; any other error means that the response does not
// count, and holds nothing of it.
func (a Attempt) ParseCallback(query string) (code string, err error) {
	q, malformed := url.ParseQuery(query)
	if malformed != nil && unreadable(query) {
		return "", errUnreadable
	}
	if len(q["state"]) > 1 {
		return "", errRepeated
	}
	// Before anything else is looked at: what follows was sent by somebody who
	// knows this attempt.
	if a.State == "" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(a.State)) != 1 {
		return "", errOtherAttempt
	}
	for _, name := range parameters {
		if len(q[name]) > 1 {
			return "", errRepeated
		}
	}
	if err := a.checkIssuer(q.Get("iss")); err != nil {
		return "", err
	}
	code, refusal := q.Get("code"), q.Get("error")
	switch {
	case code != "" && refusal != "":
		return "", errBothKinds
	case refusal != "":
		return "", newAuthorizationError(refusal, q.Get("error_description"))
	case code == "":
		return "", errNoCode
	case !isVSChar(code):
		return "", errUnreadable
	}
	return code, nil
}

// parameters are the parameters of an authorization response, the state besides.
var parameters = [...]string{"code", "error", "error_description", "error_uri", "iss"}

// unreadable reports whether a parameter that counts is malformed. Others may be
// what they like: a proxy or an extension adds its own.
func unreadable(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		_, err := url.QueryUnescape(value)
		if (err != nil || strings.Contains(value, ";")) && (name == "state" || slices.Contains(parameters[:], name)) {
			return true
		}
	}
	return false
}

// checkIssuer is the defence against mix-up (RFC 9207 §2.4). A trailing slash
// makes no difference: it makes none in the metadata either.
func (a Attempt) checkIssuer(iss string) error {
	switch {
	case iss == "" && a.RequireIss:
		return errNoIssuer
	case iss != "" && strings.TrimSuffix(iss, "/") != strings.TrimSuffix(a.Issuer, "/"):
		return errOtherIssuer
	}
	return nil
}

// isVSChar reports whether s is made of what RFC 6749 appendix A.11 allows in a
// code.
func isVSChar(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
