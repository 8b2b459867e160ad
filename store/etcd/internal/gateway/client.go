package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"codexauth"
)

const (
	dialTimeout = 3 * time.Second
	// EndpointTimeout is how long one endpoint may take while there are others to ask.
	EndpointTimeout = 5 * time.Second
	// maxAnswer is the most that is read of one: a page of the longest keys takes
	// less than half of it.
	maxAnswer = 32 << 20
)

// Config says which cluster to ask, and as whom.
type Config struct {
	Endpoints []string // each "host:port"; at least one
	TLS       *tls.Config
	User      string
	Password  codexauth.Secret
}

// Client asks an etcd cluster in JSON. All that it is used for can be asked
// again without harm.
type Client struct {
	base      []string // of each endpoint: http://host:port
	endpoints []string
	http      *http.Client
	user      string
	password  codexauth.Secret
	preferred atomic.Int32 // the endpoint that answered last

	mu    sync.Mutex // held while a user is authenticated
	token string
}

// New returns a client that has not connected yet.
func New(cfg Config) *Client {
	c := &Client{endpoints: cfg.Endpoints, user: cfg.User, password: cfg.Password}
	scheme := "http://"
	if cfg.TLS != nil {
		scheme = "https://"
	}
	for _, endpoint := range cfg.Endpoints {
		c.base = append(c.base, scheme+endpoint)
	}
	dialer := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	c.http = &http.Client{
		// HTTP/1.1: a watch has a connection of its own, which no large answer holds
		// up. No proxy: it would see the records, and most don't pass a watch on.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: cfg.TLS, TLSHandshakeTimeout: dialTimeout,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
			MaxIdleConns: 16, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call asks the endpoints in turn, beginning with the one that answered last,
// until one has done it or says what all would say. A single endpoint is asked
// twice: a connection that was idle may turn out to be dead. It reports whether
// an attempt without an answer came before the one that was answered.
func (c *Client) Call(ctx context.Context, path string, in, out any) (repeated bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	var errs []error
	begin, attempts := int(c.preferred.Load()), max(len(c.base), 2)
	for i := range attempts {
		n := (begin + i) % len(c.base)
		err := c.ask(ctx, max(len(c.base)-i, 1), n, path, body, out)
		if err == nil {
			c.preferred.Store(int32(n))
			return i > 0, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.endpoints[n], err))
		if Final(err) || ctx.Err() != nil {
			return i > 0, errs[i]
		}
		if len(c.base) == 1 && (i > 0 || IsTimeout(err)) {
			return true, errs[i]
		}
	}
	return true, joined(errs)
}

// ask asks one endpoint within its share of the time, and once more with a new
// token if it does not accept the user's.
func (c *Client) ask(ctx context.Context, left, n int, path string, body []byte, out any) error {
	ctx, cancel := share(ctx, left)
	defer cancel()
	token, err := c.bearer(ctx, n, "")
	if err != nil {
		return err
	}
	err = c.post(ctx, n, path, token, body, out)
	if c.user == "" || !isStale(err) {
		return err
	}
	if token, err = c.bearer(ctx, n, token); err != nil {
		return err
	}
	return c.post(ctx, n, path, token, body, out)
}

// share gives one of several attempts its part of the time that is left.
func share(ctx context.Context, left int) (context.Context, context.CancelFunc) {
	limit := EndpointTimeout
	deadline, ok := ctx.Deadline()
	switch {
	case ok && left > 1:
		limit = min(limit, time.Until(deadline)/time.Duration(left))
	case ok:
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// bearer returns a token of the user that is not stale.
func (c *Client) bearer(ctx context.Context, n int, stale string) (string, error) {
	if c.user == "" {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != stale {
		return c.token, nil
	}
	body, err := json.Marshal(authenticateRequest{c.user, c.password.Reveal()})
	if err != nil {
		return "", err
	}
	var answer authenticateResponse
	err = c.post(ctx, n, "auth/authenticate", "", body, &answer)
	if Says(err, precondition, "not enabled") {
		if stale == "" {
			return "", errAuthOff()
		}
		return stale, nil // it was while this program ran: what is spent must be saved
	}
	if err == nil && answer.Token == "" {
		err = errors.New("it authenticated the user and gave no token")
	}
	if err == nil {
		c.token = answer.Token
	}
	return answer.Token, err
}

// post sends one request and reads its answer.
func (c *Client) post(ctx context.Context, n int, path, token string, body []byte, out any) error {
	resp, err := c.open(ctx, n, path, token, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(answer, out)
	}
	if dated, ok := out.(interface{ revision() Number }); err == nil && ok && dated.revision() == 0 {
		err = errors.New("it names no revision: is it etcd?") // "{}" would mean that nobody is signed in
	}
	if err != nil {
		return fmt.Errorf("its answer can't be read: %w", err)
	}
	return nil
}

// open sends one request and returns an answer that is a success.
func (c *Client) open(ctx context.Context, n int, path, token string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base[n]+"/v3/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	// A watch ends if the member that serves it has no leader for some seconds.
	req.Header.Set("Grpc-Metadata-Hasleader", "true")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	var p problem
	if json.Unmarshal(text, &p) != nil {
		return nil, newStatusError(resp.StatusCode, nil, string(text))
	}
	return nil, newStatusError(resp.StatusCode, &p, string(text))
}
