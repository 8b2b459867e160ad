package oauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"codexauth/internal/cleantext"
)

const (
	deviceOp        = "device sign-in"
	deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"
	maxPageURL      = 1000 // characters of a verification URL
)

// ErrDeviceNotEnabled: the server gives out no device codes.
var ErrDeviceNotEnabled = errors.New(`device codes are not enabled; for ChatGPT turn on ` +
	`"device code authorization for Codex" in its settings under Security (in a workspace an administrator may have to)`)

// DeviceCode is a device sign-in that has begun. Its texts are safe to show, and
// it prints nothing but its user code.
type DeviceCode struct {
	UserCode        string        // what the person types
	VerificationURL string        // where; https, or http on a loopback address
	CompleteURL     string        // the same with the code in it; may be empty
	Interval        time.Duration // between polls; 0 if the server did not say
	Lifetime        time.Duration // from the answer on; 0 if the server did not say

	rfc      bool   // RFC 8628, not the service's own shape
	secret   string // device_code or device_auth_id
	userCode string // as it came, for the service's polls
}

// Format prints the user code, whatever the verb: the person has to see it, and
// nobody anything else.
func (d DeviceCode) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "device code %s", d.UserCode) }

// StartDevice asks for a device code: as RFC 8628 §3.1 says where the server's
// metadata announce it, otherwise in the service's own shape. An error is an
// *Error, ErrDeviceNotEnabled, or one that wraps ErrIssuer.
func (c *Client) StartDevice(ctx context.Context, scopes []string) (*DeviceCode, error) {
	rfc := c.Endpoints.DeviceAuthorization != ""
	req, err := c.deviceRequest(ctx, rfc, scopes)
	if err != nil {
		return nil, &Error{Op: deviceOp, Class: Invalid, Err: err}
	}
	resp, body, err := c.do(req)
	switch {
	case err != nil:
		return nil, &Error{Op: deviceOp, Class: Transient, Err: err}
	case resp.StatusCode == http.StatusNotFound && !rfc:
		return nil, ErrDeviceNotEnabled
	case resp.StatusCode/100 != 2:
		e := errorFrom(deviceOp, resp, body)
		if e.Class == Unknown {
			e.Class = Transient // there is nothing to spend yet
		}
		return nil, aboutCode(e)
	}
	fields, err := objectFields(body)
	if err != nil {
		return nil, &Error{Op: deviceOp, Class: Transient, Status: resp.StatusCode, Err: err}
	}
	d, err := c.readDeviceCode(rfc, fields, serverDate(resp.Header))
	if err != nil {
		return nil, &Error{Op: deviceOp, Class: Invalid, Status: resp.StatusCode, Err: err}
	}
	return d, nil
}

func (c *Client) deviceRequest(ctx context.Context, rfc bool, scopes []string) (*http.Request, error) {
	if rfc {
		return formRequest(ctx, c.Endpoints.DeviceAuthorization, url.Values{
			"client_id": {c.ClientID}, "scope": {strings.Join(scopes, " ")}}, nil)
	}
	return jsonRequest(ctx, c.underIssuer(userCodePath), map[string]string{"client_id": c.ClientID})
}

func (c *Client) underIssuer(path string) string {
	return strings.TrimSuffix(c.Endpoints.Issuer, "/") + path
}

func (c *Client) readDeviceCode(rfc bool, fields map[string]any, date time.Time) (*DeviceCode, error) {
	d := &DeviceCode{rfc: rfc, userCode: text(fields["user_code"]), Interval: seconds(fields["interval"])}
	if rfc {
		d.secret = text(fields["device_code"])
		d.VerificationURL = cmp.Or(text(fields["verification_uri"]), text(fields["verification_url"])) // as before the RFC
		d.CompleteURL = cmp.Or(text(fields["verification_uri_complete"]), text(fields["verification_url_complete"]))
		d.Lifetime = seconds(fields["expires_in"])
	} else {
		if d.userCode == "" {
			d.userCode = text(fields["usercode"])
		}
		d.secret = text(fields["device_auth_id"])
		d.VerificationURL = c.underIssuer(devicePagePath)
		d.Lifetime = timeLeft(text(fields["expires_at"]), date)
	}
	d.UserCode = cleantext.Line(d.userCode)
	if d.UserCode == "" || d.secret == "" {
		return nil, errors.New("the answer holds no device code")
	}
	if err := c.checkPage(d.VerificationURL); err != nil {
		return nil, fmt.Errorf("the page to type the code at: %w", err)
	}
	if c.checkPage(d.CompleteURL) != nil || !sameHost(d.CompleteURL, d.VerificationURL) {
		d.CompleteURL = "" // a convenience, not worth a failure
	}
	return d, nil
}

// timeLeft is the time until at (RFC 3339) by the clock that at was written by;
// 0 if there is none.
func timeLeft(at string, serverNow time.Time) time.Duration {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return 0
	}
	if serverNow.IsZero() {
		serverNow = time.Now()
	}
	return max(t.Sub(serverNow), 0)
}

// checkPage checks an address before a person is sent there. RFC 8628 lets it be
// on any host, so the host is for the person to judge; other scripts' letters in
// it could deceive them.
func (c *Client) checkPage(page string) error {
	if len(page) > maxPageURL || !isGraphicASCII(page) {
		return fmt.Errorf("%w: its address is too long or has characters that no address has", ErrIssuer)
	}
	if err := checkEndpoint(page); err != nil {
		return err
	}
	if strings.HasPrefix(page, "http:") && strings.HasPrefix(c.Endpoints.Issuer, "https:") {
		return fmt.Errorf("%w: %s names a plain HTTP page", ErrIssuer, c.Endpoints.Issuer)
	}
	return nil
}

func sameHost(a, b string) bool {
	u, err := url.Parse(a)
	v, err2 := url.Parse(b)
	return err == nil && err2 == nil && u.Host == v.Host
}

func isGraphicASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// PollDevice asks once whether the person has decided, and returns what to
// redeem if they agreed. An error is an *Error; it matches ErrPending,
// ErrSlowDown, ErrDenied or ErrCodeExpired, or by its class tells whether to go
// on: ErrTransient and ErrUnknown pass, ErrInvalid does not.
func (c *Client) PollDevice(ctx context.Context, d *DeviceCode) (Grant, error) {
	poll := c.pollService
	if d.rfc {
		poll = c.pollToken
	}
	g, err := poll(ctx, d)
	if err != nil {
		return Grant{}, aboutCode(err, d.secret)
	}
	return g, nil
}

// pollToken is RFC 8628 §3.4: the token endpoint itself is polled.
func (c *Client) pollToken(ctx context.Context, d *DeviceCode) (Grant, error) {
	a, err := c.postToken(ctx, deviceOp, url.Values{
		"grant_type":  {deviceGrantType},
		"device_code": {d.secret},
		"client_id":   {c.ClientID},
	}, nil)
	if a, err = withAccessToken(deviceOp, a, err); err != nil {
		return Grant{}, err
	}
	return Grant{Granted: &Granted{answer: a, at: time.Now(), server: c.Endpoints, clientID: c.ClientID}}, nil
}

// pollService is the service's shape, whose server made the PKCE pair itself:
// 403 and 404 mean that nobody has decided yet, unless they say something else.
func (c *Client) pollService(ctx context.Context, d *DeviceCode) (Grant, error) {
	req, err := jsonRequest(ctx, c.underIssuer(devicePollPath), map[string]string{
		"device_auth_id": d.secret, "user_code": d.userCode})
	if err != nil {
		return Grant{}, &Error{Op: deviceOp, Class: Invalid, Err: err}
	}
	resp, body, err := c.do(req)
	switch {
	case resp == nil:
		return Grant{}, &Error{Op: deviceOp, Class: Unknown, Err: err}
	case resp.StatusCode == http.StatusForbidden, resp.StatusCode == http.StatusNotFound:
		return Grant{}, undecided(errorFrom(deviceOp, resp, body), body)
	case resp.StatusCode/100 != 2:
		return Grant{}, errorFrom(deviceOp, resp, body)
	}
	fields, err := objectFields(body)
	if fields == nil {
		return Grant{}, &Error{Op: deviceOp, Class: Unknown, Status: resp.StatusCode, Err: err}
	}
	g := Grant{
		Code:        text(fields["authorization_code"]),
		RedirectURI: c.underIssuer(deviceCallbackPath),
		Verifier:    text(fields["code_verifier"]),
	}
	if err := checkPair(g, text(fields["code_challenge"])); err != nil {
		return Grant{}, &Error{Op: deviceOp, Class: Invalid, Status: resp.StatusCode, Spent: true,
			Err: fmt.Errorf("the sign-in was approved, but %w; sign in again", err)}
	}
	return g, nil
}

// undecided says what a 403 or 404 to a poll means. The service's own has no body,
// or a code that says that it knows of no decision. A page is a gateway's; another
// code is told, and ends the sign-in where it is a verdict.
func undecided(e *Error, body []byte) error {
	fields, err := objectFields(body)
	switch code := errorCode(fields); {
	case len(bytes.TrimSpace(body)) == 0, code == codePending, code == "" && err == nil,
		strings.HasPrefix(code, "deviceauth_") && !isVerdict(code):
		e.Class, e.Code, e.Description = Transient, codePending, ""
	case strings.HasSuffix(code, "_denied"):
		e.Code = codeDenied
	case code == codeCodeExpired, strings.HasSuffix(code, "_expired"):
		e.Code = codeCodeExpired
	case isVerdict(code):
		e.Class = Invalid
	default:
		e.Class = Transient
	}
	return e
}

// isVerdict reports whether a code says that asking again is of no use.
func isVerdict(code string) bool {
	switch code {
	case "invalid_client", "unauthorized_client", "account_deactivated", "unsupported_country_region_territory":
		return true
	}
	return strings.HasSuffix(code, "_denied") || strings.HasSuffix(code, "_expired") || strings.Contains(code, "unsupported_country")
}

// errorCode is the code of an error as it came, to be compared and not shown.
func errorCode(fields map[string]any) string {
	code := cmp.Or(text(fields["error"]), text(fields["code"]))
	if inner, ok := fields["error"].(map[string]any); ok {
		code = cmp.Or(text(inner["code"]), text(inner["type"]), code)
	}
	return strings.ToLower(code)
}

// checkPair checks what came with an approval. The challenge, which nothing but
// this check needs, may be absent.
func checkPair(g Grant, challenge string) error {
	sum := sha256.Sum256([]byte(g.Verifier))
	own := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case g.Code == "" || g.Verifier == "":
		return errors.New("the answer to that is incomplete")
	case !isGraphicASCII(g.Code) || !isGraphicASCII(g.Verifier):
		return errors.New("the answer to that holds characters that no code has")
	case challenge != "" && challenge != own:
		return errors.New("the code verifier that came does not match its challenge (RFC 7636 §4.6)")
	}
	return nil
}

// aboutCode makes an error of a token request one about a device code: it
// condemns no login, and of what the server says nothing is kept that repeats a
// secret.
func aboutCode(err error, secrets ...string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Class == Permanent {
		e.Class = Invalid
	}
	for _, secret := range secrets {
		if strings.Contains(strings.ToLower(e.Description), strings.ToLower(secret)) {
			e.Description = ""
		}
		if strings.Contains(e.Code, strings.ToLower(secret)) {
			e.Code = ""
		}
	}
	return e
}
