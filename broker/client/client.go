package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"codexauth"
	"codexauth/broker/overview"
	"codexauth/internal/certfile"
	"codexauth/internal/httplog"
)

// The environment's names for a client's key.
const (
	KeyVariable     = "CODEXAUTH_BROKER_KEY"
	KeyFileVariable = "CODEXAUTH_BROKER_KEY_FILE"
)

const (
	connectTimeout = 5 * time.Second
	longestLease   = time.Minute // whatever the caller's context says
	maxAnswer      = 64 << 10
	maxOverview    = 8 << 20 // of a thousand logins, and as many keys
	maxHeader      = 32 << 10
	maxKey         = 4 << 10
	maxRetryAfter  = 10 * time.Minute
)

// Options refine New.
type Options struct {
	// Key is the key itself, in place of a file or a variable.
	Key codexauth.Secret
	// TLS has the certificates to trust, and to show, where the address names no
	// ca-file. Nil means the system's.
	TLS *tls.Config
	// UserAgent is sent to the broker. Empty means "codexauth".
	UserAgent string
	// Log hears of each request at debug level, without its query, headers and body.
	// Nil is silent.
	Log *slog.Logger
}

// Client is a broker's client, and a [codexauth.Lessor]. It may be used by any
// number of goroutines.
type Client struct {
	address address
	options Options
	direct  *http.Transport
	told    http.RoundTripper // direct, and the log hears of it
}

// New returns a client of the broker at an address. It connects to nothing yet.
// An error that wraps [ErrAddress] is about the address.
func New(address string, o Options) (*Client, error) {
	a, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if o.UserAgent == "" {
		o.UserAgent = "codexauth"
	}
	c := &Client{address: a, options: o}
	if c.direct, err = c.transport(); err != nil {
		return nil, err
	}
	c.told = httplog.Transport(c.direct, o.Log)
	return c, nil
}

// transport speaks HTTP/1.1, as the broker does, and leaves answers compressed,
// since a decompressor holds events back.
func (c *Client) transport() (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: connectTimeout}
	network, target := c.address.dialed()
	t := &http.Transport{
		TLSHandshakeTimeout: connectTimeout, MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
		IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 32,
	}
	if !strings.HasPrefix(c.address.origin, "https:") {
		// And no proxy, which would see the key.
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			if c.address.socket != "" {
				return c.address.dialSocket(ctx, dialer)
			}
			return dialer.DialContext(ctx, network, target)
		}
		return t, nil
	}
	t.Proxy = http.ProxyFromEnvironment
	t.DialContext = dialer.DialContext
	t.TLSClientConfig = &tls.Config{}
	if c.options.TLS != nil {
		t.TLSClientConfig = c.options.TLS.Clone()
	}
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	if c.address.caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.address.caFile)
	if err != nil {
		return nil, badAddress("the certificates of ca-file can't be read: %v", err)
	}
	if t.TLSClientConfig.RootCAs, err = certfile.Pool(pem); err != nil {
		return nil, badAddress("its ca-file must be a PEM file: %v", err)
	}
	return t, nil
}

// String is the client's address, without a secret.
func (c *Client) String() string { return c.address.String() }

// Portable returns the address as another process can use it, whatever its
// environment and directory. The error wraps [ErrAddress] if the key stands in a
// variable, or in the program.
func (c *Client) Portable() (string, error) {
	a := c.address
	if a.socket != "" || a.keyFile != "" {
		return a.String(), nil
	}
	path := os.Getenv(KeyFileVariable)
	if path == "" || !c.options.Key.IsZero() {
		return "", badAddress("the key is not in a file; name one with key-file=PATH")
	}
	named, err := parseAddress(a.String())
	if err == nil {
		err = named.parameters("key-file="+urlPath(path), false)
	}
	return named.String(), err
}

// KeyFile is the file that the key is read from; empty on a socket, and where the
// key stands in a variable or in the program.
func (c *Client) KeyFile() string {
	switch {
	case c.address.socket != "" || !c.options.Key.IsZero():
		return ""
	case c.address.keyFile != "":
		return c.address.keyFile
	}
	return os.Getenv(KeyFileVariable)
}

// key is the key to show; empty on a socket.
func (c *Client) key() (string, error) {
	switch {
	case c.address.socket != "":
		return "", nil
	case !c.options.Key.IsZero():
		key := c.options.Key.Reveal()
		return key, checkKey(key, "Options.Key")
	}
	path := c.KeyFile()
	if path == "" {
		key := strings.TrimSpace(os.Getenv(KeyVariable))
		if key == "" {
			return "", fmt.Errorf("%w for the broker at %s", ErrNoKey, c.address.short())
		}
		return key, checkKey(key, KeyVariable)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w for the broker: %w", ErrNoKey, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return "", fmt.Errorf("%w for the broker: %w", ErrNoKey, err)
	}
	key := strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff")) // editors on Windows put it there
	return key, checkKey(key, path)
}

// checkKey keeps what is no key out of a header. It is not repeated.
func checkKey(key, where string) error {
	if key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w for the broker: %s does not hold one", ErrNoKey, where)
	}
	return nil
}

// leaseRequest and leaseAnswer are POST /token as package broker documents it.
type leaseRequest struct {
	NotSHA256 string `json:"not_sha256,omitempty"`
	MinValid  int64  `json:"min_valid,omitempty"` // seconds
}

type leaseAnswer struct {
	AccessToken string    `json:"access_token"`
	AccountID   string    `json:"account_id"`
	ExpiresAt   time.Time `json:"expires_at"`
	ExpiresIn   *int64    `json:"expires_in"`
	RefreshIn   *int64    `json:"refresh_in"`
	Issuer      string    `json:"issuer"`
	FedRAMP     bool      `json:"fedramp"`
}

// Lease leases an access token. It is what a Manager with a Lessor calls.
func (c *Client) Lease(ctx context.Context, r codexauth.LeaseRequest) (codexauth.Lease, error) {
	var got leaseAnswer
	began := time.Now()
	err := c.ask(ctx, maxAnswer, http.MethodPost, "/token", leaseRequest{r.NotSHA256, int64((r.MinValid + time.Second - 1) / time.Second)}, &got)
	if err != nil {
		return codexauth.Lease{}, err
	}
	if got.AccessToken == "" {
		return codexauth.Lease{}, c.noBroker("its answer to POST /token holds no token")
	}
	l := codexauth.Lease{Issuer: got.Issuer, Token: codexauth.Token{
		AccessToken: codexauth.NewSecret(got.AccessToken), AccountID: got.AccountID, Expiry: got.ExpiresAt, FedRAMP: got.FedRAMP,
	}}
	// From when the request began: whatever stopped us since, or put the machine to
	// sleep, the token does not count as younger than it is.
	if got.ExpiresIn != nil {
		l.End = began.Add(seconds(*got.ExpiresIn))
	}
	if got.RefreshIn != nil {
		l.Due = began.Add(seconds(*got.RefreshIn))
	}
	return l, nil
}

// seconds keeps an absurd number from overflowing.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 1<<31)) * time.Second
}

type statusAnswer struct {
	State       codexauth.State `json:"state"`
	Issuer      string          `json:"issuer"`
	AccountID   string          `json:"account_id"`
	Email       string          `json:"email"`
	Plan        string          `json:"plan"`
	FedRAMP     bool            `json:"fedramp"`
	ExpiresAt   time.Time       `json:"expires_at"`
	LastRefresh time.Time       `json:"last_refresh"`
	LastRefusal *struct {
		Code string    `json:"code"`
		At   time.Time `json:"at"`
	} `json:"last_refusal"`
}

// Status asks how the broker's login is doing. It refreshes nothing.
func (c *Client) Status(ctx context.Context) (codexauth.Status, error) {
	var got statusAnswer
	if err := c.ask(ctx, maxAnswer, http.MethodGet, "/status", nil, &got); err != nil {
		return codexauth.Status{}, err
	}
	if got.State == "" {
		return codexauth.Status{}, c.noBroker("its answer to GET /status holds no state")
	}
	s := codexauth.Status{
		State: got.State, Issuer: got.Issuer, ExpiresAt: got.ExpiresAt, LastRefresh: got.LastRefresh,
		Account: codexauth.Account{ID: got.AccountID, Email: got.Email, Plan: got.Plan, FedRAMP: got.FedRAMP},
	}
	if r := got.LastRefusal; r != nil {
		s.LastRefusal = &codexauth.RefusedError{Code: r.Code, At: r.At}
	}
	return s, nil
}

// Overview asks how the broker and its logins are doing, which takes the right to
// lease.
func (c *Client) Overview(ctx context.Context) (*overview.Overview, error) {
	got := new(overview.Overview)
	if err := c.ask(ctx, maxOverview, http.MethodGet, "/overview", nil, got); err != nil {
		return nil, err
	}
	if got.At.IsZero() {
		return nil, c.noBroker("its answer to GET /overview holds no time")
	}
	return got, nil
}

// ask sends one request of ours and reads the answer, of so many bytes at most,
// into v.
func (c *Client) ask(ctx context.Context, most int, method, path string, body, v any) error {
	ctx, cancel := context.WithTimeout(ctx, longestLease)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address.origin+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", c.options.UserAgent)
	req.Close = true // the next one is an hour away
	if err := c.authorize(req); err != nil {
		return err
	}
	resp, err := c.told.RoundTrip(req) // which follows no redirect
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	switch {
	case err != nil:
		return &codexauth.RetryError{Err: fmt.Errorf("the answer of the broker at %s was cut off: %w", c.address.short(), tidy(err))}
	case len(text) > most:
		return c.noBroker(fmt.Sprintf("its answer is longer than %d bytes", most))
	case resp.StatusCode != http.StatusOK:
		return c.refused(resp, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return c.noBroker("its answer is not the expected JSON")
	}
	return nil
}

// authorize shows the key.
func (c *Client) authorize(req *http.Request) error {
	key, err := c.key()
	if key != "" && err == nil {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return err
}

// BaseURL is what an OpenAI SDK takes as its base URL, on HTTPClient: it ends in
// /v1.
func (c *Client) BaseURL() string { return c.address.origin + "/v1" }

// HTTPClient returns a client for requests that the broker is to sign: it goes to
// the broker alone, by its socket or with the key, and follows no redirect. It
// needs no right to lease.
func (c *Client) HTTPClient() *http.Client {
	return &http.Client{
		Transport: (*proxied)(c),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return fmt.Errorf("%w: it redirects, and a redirect is never followed with a key", ErrNotBroker)
		},
	}
}

// proxied is a Client as the RoundTripper of HTTPClient.
type proxied Client

func (p *proxied) RoundTrip(req *http.Request) (*http.Response, error) {
	c := (*Client)(p)
	signed := req.Clone(req.Context())
	err := error(nil)
	if req.URL.Scheme+"://"+strings.ToLower(req.URL.Host) != c.address.origin || req.URL.User != nil {
		err = fmt.Errorf("%w: %s is not %s, and the key is for that server only", ErrNotBroker, req.URL.Host, c.address.origin)
	} else {
		signed.Header.Del("Authorization") // an SDK puts its own there
		err = c.authorize(signed)
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return c.told.RoundTrip(signed)
}

// CloseIdleConnections is for http.Client's method of that name.
func (p *proxied) CloseIdleConnections() { p.direct.CloseIdleConnections() }

// Close closes idle connections. The client can be used on.
func (c *Client) Close() error {
	c.direct.CloseIdleConnections()
	return nil
}

var _ codexauth.Lessor = (*Client)(nil)
