package oauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"codexauth/internal/faultpoint"
)

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// Client sends a public client's requests to one authorization server. Its
// methods may be called concurrently.
type Client struct {
	HTTP      *http.Client // redirects are never followed, whatever it says
	Endpoints Endpoints
	ClientID  string
	UserAgent string
}

// Exchange redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5). The
// answer that a grant of RFC 8628 holds is handed out without a request.
func (c *Client) Exchange(ctx context.Context, g Grant) (*Answer, error) {
	if g.Granted != nil {
		return g.Granted.take(c)
	}
	a, err := c.postToken(ctx, "exchange", url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {g.Code},
		"redirect_uri":  {g.RedirectURI},
		"client_id":     {c.ClientID},
		"code_verifier": {g.Verifier},
	}, nil)
	return withAccessToken("exchange", a, err)
}

// withAccessToken: what begins a login needs one.
func withAccessToken(op string, a *Answer, err error) (*Answer, error) {
	if err == nil && a.AccessToken == "" {
		return nil, &Error{Op: op, Class: Unknown, Status: http.StatusOK, Spent: true,
			Err: errors.New("the answer holds no access token")}
	}
	return a, err
}

// Refresh spends a refresh token (RFC 6749 §6). gate is asked immediately
// before the token leaves this process: if it returns an error nothing is sent
// and the error wraps ErrFence. The request is sent at most once; no transport
// can replay it.
//
// An error is always an *Error: its Class tells whether the token may be spent.
// An answer may lack any field.
func (c *Client) Refresh(ctx context.Context, refreshToken string, gate func() error) (*Answer, error) {
	return c.postToken(ctx, "refresh", url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken},
		"client_id":     {c.ClientID},
	}, gate)
}

// Revoke ends the login that a refresh token belongs to: with the form of RFC
// 7009 where the server announced its endpoint, with the service's JSON where it
// did not. A server that does not take the one is asked once with the other.
func (c *Client) Revoke(ctx context.Context, refreshToken string) error {
	if c.Endpoints.Revoke == "" {
		return &Error{Op: "revoke", Class: Invalid, Err: errors.New("the server has no revocation endpoint")}
	}
	err := c.revoke(ctx, refreshToken, c.Endpoints.Announced)
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnsupportedMediaType) {
		if c.revoke(ctx, refreshToken, !c.Endpoints.Announced) == nil {
			return nil
		}
	}
	return err
}

func (c *Client) revoke(ctx context.Context, refreshToken string, asForm bool) error {
	var req *http.Request
	var err error
	if asForm {
		req, err = formRequest(ctx, c.Endpoints.Revoke, url.Values{
			"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {c.ClientID}}, nil)
	} else {
		req, err = jsonRequest(ctx, c.Endpoints.Revoke, map[string]string{
			"token": refreshToken, "token_type_hint": "refresh_token", "client_id": c.ClientID})
	}
	if err != nil {
		return &Error{Op: "revoke", Class: Invalid, Err: err}
	}
	resp, body, err := c.do(req)
	if err != nil {
		return &Error{Op: "revoke", Class: Transient, Err: err}
	}
	if resp.StatusCode/100 != 2 {
		return errorFrom("revoke", resp, body)
	}
	return nil
}

func (c *Client) postToken(ctx context.Context, op string, form url.Values, gate func() error) (*Answer, error) {
	body := &onceBody{r: strings.NewReader(form.Encode()), gate: gate}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { faultpoint.At(faultpoint.RequestWritten) },
	})
	req, err := formRequest(ctx, c.Endpoints.Token, form, body)
	if err != nil {
		return nil, &Error{Op: op, Class: Invalid, Err: err}
	}
	resp, data, err := c.do(req)
	sent, gateErr := body.seal()
	switch {
	case gateErr != nil:
		return nil, &Error{Op: op, Class: Transient, Err: gateErr}
	case resp == nil && sent:
		return nil, &Error{Op: op, Class: Unknown, Err: err}
	case resp == nil:
		return nil, &Error{Op: op, Class: Transient, Err: err}
	case resp.StatusCode/100 != 2:
		e := errorFrom(op, resp, data)
		if !sent && e.Class == Unknown {
			e.Class = Transient // answered before it saw the token
		}
		return nil, e
	}
	return readAnswer(op, resp, data, err)
}

// readAnswer takes what can be read of a 2xx, even if the rest was cut off.
func readAnswer(op string, resp *http.Response, data []byte, readErr error) (*Answer, error) {
	a, err := parseAnswer(data)
	if err == nil && a.Torn == nil && readErr != nil {
		a.Torn = readErr
	}
	if err == nil && a.AccessToken == "" && a.RefreshToken == "" {
		if e := politeError(op, resp, data); e != nil && a.Torn == nil && a.Odd == nil {
			return nil, e
		}
		err = cmp.Or(a.Torn, a.Odd, errors.New("it holds no token"))
	}
	if err != nil {
		return nil, &Error{Op: op, Class: Unknown, Status: resp.StatusCode, Spent: true,
			Err: fmt.Errorf("unreadable: %w", err)}
	}
	a.Date = serverDate(resp.Header)
	return a, nil
}

// politeError is the error that some servers send with a 200: as one with 400.
func politeError(op string, resp *http.Response, data []byte) *Error {
	fields, _ := objectFields(data)
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	if fields["error"] == nil || !e.readFields(fields) || e.Code == "" {
		return nil
	}
	e.Date = serverDate(resp.Header)
	e.Class, e.Unclear = classify(http.StatusBadRequest, e.Code, true)
	return e
}

func (c *Client) do(req *http.Request) (*http.Response, []byte, error) {
	req.Header.Set("Accept", "application/json")
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	return roundTrip(c.HTTP, req)
}

// roundTrip sends req once, follows no redirect and reads the bounded body. A
// response whose body broke off comes with what was read and an error.
func roundTrip(hc *http.Client, req *http.Request) (*http.Response, []byte, error) {
	if hc == nil {
		hc = http.DefaultClient
	}
	once := *hc
	once.Jar = nil
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return nil, nil, cleanError(req, err)
	}
	defer resp.Body.Close()
	faultpoint.At(faultpoint.HeadersRead)
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	faultpoint.At(faultpoint.BodyRead)
	if err != nil {
		err = fmt.Errorf("the answer broke off after %d bytes: %w", len(data), err)
	}
	return resp, data, err
}

var errProxy = errors.New("the proxy in the environment (HTTPS_PROXY or HTTP_PROXY) is invalid")

// cleanError names the server and the cause; url.Error would repeat the URL.
func cleanError(req *http.Request, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if strings.Contains(err.Error(), "invalid proxy address") { // net/http repeats it, with the password
		err = errProxy
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("can't reach %s: %w", req.URL.Host, op.Err)
	}
	return fmt.Errorf("%s: %w", req.URL.Host, err)
}

func formRequest(ctx context.Context, endpoint string, form url.Values, body io.Reader) (*http.Request, error) {
	encoded := form.Encode()
	if body == nil {
		body = strings.NewReader(encoded)
	}
	return postRequest(ctx, endpoint, "application/x-www-form-urlencoded", int64(len(encoded)), body)
}

func postRequest(ctx context.Context, endpoint, contentType string, n int64, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = n
	req.GetBody = nil // without it no transport can send the body a second time
	req.Header.Set("Content-Type", contentType)
	return req, nil
}

// onceBody is a request body that can be read once, and only if its gate lets
// it. It knows for certain whether any of it left for the network: the token is
// in the body, so a request whose body was never read has spent nothing.
type onceBody struct {
	mu     sync.Mutex
	r      *strings.Reader
	gate   func() error
	sent   bool
	sealed bool
	err    error
}

func (b *onceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errors.New("the request is over")
	}
	if b.err != nil {
		return 0, b.err
	}
	if !b.sent && b.gate != nil {
		if err := b.gate(); err != nil {
			b.err = fmt.Errorf("%w: %w", ErrFence, err)
			return 0, b.err
		}
	}
	if !b.sent {
		faultpoint.At(faultpoint.BeforeSend)
	}
	b.sent = true
	return b.r.Read(p)
}

func (b *onceBody) Close() error { return nil }

// seal ends the body for good (a cancelled request may still try to read it)
// and reports whether any of it was read, or why the gate let none of it go.
func (b *onceBody) seal() (sent bool, gateErr error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return b.sent, b.err
}

func jsonRequest(ctx context.Context, endpoint string, v any) (*http.Request, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return postRequest(ctx, endpoint, "application/json", int64(len(data)), bytes.NewReader(data))
}
