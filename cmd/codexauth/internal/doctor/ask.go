package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/oauth"
	"codexauth/internal/sysfail"
)

// An answer is what a server said to a request without a token.
type answer struct {
	status   int       // of the last answer; 0 if there was none
	date     time.Time // the server's clock; zero if it did not say
	at       time.Time // the local clock at that moment
	html     bool
	redirect string // the host that it leads to
	err      error
}

// askIssuer fetches the issuer's metadata, as every command does that needs it.
func (d *Examination) askIssuer(ctx context.Context) answer {
	l := &listener{base: d.transport()}
	_, err := oauth.Locate(ctx, &http.Client{Transport: l}, d.Provider.Issuer)
	a := l.heard()
	if a.status == 0 && err == nil { // OpenAI's endpoints are built in
		return d.get(ctx, d.Provider.Issuer+"/.well-known/openid-configuration")
	}
	a.err = err
	return a
}

// askBackend sends the backend a request without a token. Any answer is a good one.
func (d *Examination) askBackend(ctx context.Context) answer {
	return d.get(ctx, d.Provider.BackendURL+"/models")
}

func (d *Examination) get(ctx context.Context, url string) answer {
	l := &listener{base: d.transport()}
	hc := &http.Client{Transport: l, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("User-Agent", "codexauth")
	resp, err := hc.Do(req)
	if err == nil {
		io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		resp.Body.Close()
	}
	a := l.heard()
	a.err = err
	return a
}

// A listener is a RoundTripper that remembers what the last answer looked like.
type listener struct {
	base http.RoundTripper
	mu   sync.Mutex
	last answer
}

func (l *listener) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := proxyFor(req.URL); err != nil {
		return nil, err // before anybody puts the variable into an error
	}
	resp, err := l.base.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	a := answer{
		status: resp.StatusCode, at: time.Now(),
		html: strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"),
	}
	if resp.Header.Get("Age") == "" { // out of a cache, its date is old
		a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 && to.Host != req.URL.Host {
		a.redirect = to.Host
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = a
	return resp, nil
}

func (l *listener) heard() answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

const portalRemedy = "open a browser: a captive portal may want you to sign in to the network first; otherwise ask whoever runs the proxy or gateway here"

// trouble tells what is wrong with the way to a server, if anything is.
func (a answer) trouble(of string) (f finding, bad bool) {
	var e *oauth.Error
	switch {
	case a.redirect != "":
		return problem(portalRemedy, "%s redirects to %s", of, cleantext.Message(a.redirect)), true
	case errors.Is(a.err, codexauth.ErrIssuer):
		return problem("check --issuer and CODEXAUTH_ISSUER: that server is not an authorization server, or is another one", "%v", a.err), true
	case a.err != nil && a.status == 0:
		what, remedy := networkTrouble(a.err)
		return problem(remedy, "%s: %s", of, what), true
	case a.html && a.status != http.StatusNotFound:
		return problem(portalRemedy, "a web page (%d) instead of %s: a captive portal, a gateway or a proxy answered", a.status, of), true
	case errors.As(a.err, &e) && e.Status >= 500:
		return warning("wait and run this again: the server itself has a problem", "%s answers %d", of, e.Status), true
	case a.err != nil:
		return problem("run this again; if the problem persists, ask whoever runs that server", "%s: %v", of, a.err), true
	}
	return f, false
}

// networkTrouble says in plain words why there was no answer, and what to do.
func networkTrouble(err error) (what, remedy string) {
	var (
		authority  x509.UnknownAuthorityError
		invalid    x509.CertificateInvalidError
		name       x509.HostnameError
		noTLS      tls.RecordHeaderError
		dns        *net.DNSError
		op         *net.OpError
		timeout    net.Error
		proxied    = errors.As(err, &op) && op.Op == "proxyconnect"
		mendProxy  = "fix HTTPS_PROXY, or add the host to NO_PROXY if it can be reached directly"
		mendRoutes = "check that this machine is online, and whether it needs a proxy (HTTPS_PROXY)"
	)
	switch {
	case errors.Is(err, errProxy):
		return err.Error(), proxyRemedy
	case errors.As(err, &authority):
		return "its certificate is from an authority that this machine does not trust" + issuedBy(authority.Cert),
			"where a proxy inspects TLS, name its authority with --ca-file or SSL_CERT_FILE; where none should, don't sign in: somebody may be in between"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("its certificate is not valid at this machine's time, %s%s", time.Now().UTC().Format(time.DateTime+" MST"), validity(invalid.Cert)),
			"set this machine's clock if it is wrong; otherwise the server, or a proxy here, needs a new certificate"
	case errors.As(err, &name) && name.Certificate != nil && len(name.Certificate.DNSNames)+len(name.Certificate.IPAddresses) == 0:
		return "its certificate names no host that counts (a subject alternative name); a common name alone no longer does",
			"have the server, or the proxy here, given a certificate with that name in it"
	case errors.As(err, &name):
		return "its certificate is for another name", portalRemedy
	case errors.As(err, &invalid):
		return "its certificate can't be used: " + cleantext.Message(invalid.Error()), portalRemedy
	case errors.As(err, &noTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "what answers there does not speak TLS", portalRemedy
	case proxied && strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)):
		return "the proxy requires a name and a password", "put them into HTTPS_PROXY (http://name:password@proxy:port)"
	case proxied:
		return "the proxy can't be used: " + plain(op.Err), mendProxy
	case strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)):
		return "the proxy requires a name and a password", "put them into HTTPS_PROXY (http://name:password@proxy:port)"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "its name is not known to the DNS", mendRoutes
	case errors.As(err, &dns):
		return "the DNS does not answer", mendRoutes
	case sysfail.ConnRefused(err):
		return "nothing listens there (connection refused)", mendRoutes + "; for a server of your own, start it"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time", mendRoutes
	}
	return plain(err), mendRoutes
}

func issuedBy(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", cleantext.Message(c.Issuer.String()))
}

func validity(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (it is from %s to %s)", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// plain is an error's text without what a URL in it may hold.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return cleantext.Message(safe(err.Error()))
}
