package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"codexauth/internal/cleantext"
	"codexauth/login"
)

func (d *Examination) networkChecks() []check {
	return []check{
		{"proxy", d.checkProxy},
		{"certificates", d.checkCertificates},
		{"issuer", d.checkIssuer},
		{"clock", d.checkClock},
		{"backend", d.checkBackend},
		{"ports", d.checkPorts},
	}
}

const proxyRemedy = "set HTTPS_PROXY to a URL such as http://proxy.example:3128, or unset it"

func (d *Examination) checkProxy(context.Context) finding {
	var ways []string
	for _, target := range []string{d.Provider.Issuer, d.Provider.BackendURL} {
		u, err := url.Parse(target)
		if err != nil {
			continue // Complete has looked at it
		}
		proxy, err := proxyFor(u)
		if err != nil {
			return problem(proxyRemedy, "%v", err)
		}
		way := u.Host + " is asked directly"
		if proxy != nil {
			way = fmt.Sprintf("%s is asked through %s://%s", u.Host, proxy.Scheme, proxy.Host)
		}
		if len(ways) == 0 || ways[0] != way {
			ways = append(ways, way)
		}
	}
	detail := strings.Join(ways, ", ")
	if os.Getenv("NO_PROXY") != "" || os.Getenv("no_proxy") != "" {
		detail += " (NO_PROXY is set)"
	}
	unheeded := (os.Getenv("ALL_PROXY") != "" || os.Getenv("all_proxy") != "") && !anyProxy()
	if unheeded && strings.HasPrefix(d.Provider.Issuer, "https:") {
		return warning("set HTTPS_PROXY to the same URL if this network needs the proxy", "%s; ALL_PROXY is set, which is ignored", detail)
	}
	return okay("%s", detail)
}

func anyProxy() bool { return os.Getenv("HTTPS_PROXY") != "" || os.Getenv("https_proxy") != "" }

// proxyFor is the proxy through which u is asked. Its error repeats nothing of the
// variable, in which there may be a password.
func proxyFor(u *url.URL) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return nil, errProxy
	}
	// Go puts http:// before what it can't parse, and then takes "http" for a host.
	if proxy != nil && (proxy.Hostname() == "" || strings.Trim(proxy.Path, "/") != "") {
		return nil, errProxy
	}
	if proxy != nil && proxy.Scheme != "http" && proxy.Scheme != "https" && proxy.Scheme != "socks5" && proxy.Scheme != "socks5h" {
		return nil, fmt.Errorf("%w: it is not an http, https or socks5 URL", errProxy)
	}
	return proxy, nil
}

var errProxy = errors.New("the proxy in the environment (HTTPS_PROXY or HTTP_PROXY) is invalid")

func (d *Examination) checkCertificates(context.Context) finding {
	remote := strings.HasPrefix(d.Provider.Issuer, "https:") || strings.HasPrefix(d.Provider.BackendURL, "https:")
	if d.CAErr != nil {
		return problem("name a PEM file with BEGIN CERTIFICATE lines that this user can read", "%v", d.CAErr)
	}
	if d.Place.Distrust != nil {
		return warning("replace the invalid certificates in that file, or remove them", "%v", d.Place.Distrust)
	}
	var found []string
	if d.Place.CAFile != "" {
		found = append(found, "--ca-file "+d.Place.CAFile)
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return okay("%s", strings.Join(append(found, "the system's"), " and "))
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		if err := holdsCertificates(file); err != nil {
			return problem("let SSL_CERT_FILE name a readable PEM file, or unset it", "SSL_CERT_FILE: %v", err)
		}
		found = append(found, "SSL_CERT_FILE "+file)
	}
	for dir := range strings.SplitSeq(os.Getenv("SSL_CERT_DIR"), ":") {
		if dir == "" {
			continue
		}
		if _, err := os.ReadDir(dir); err != nil {
			return problem("let SSL_CERT_DIR name readable directories, or unset it", "SSL_CERT_DIR: %v", err)
		}
		found = append(found, "SSL_CERT_DIR "+dir)
	}
	pool, err := x509.SystemCertPool()
	if (err != nil || pool.Equal(x509.NewCertPool())) && d.Place.CAFile == "" && remote {
		return problem("install the system's certificates (the package ca-certificates), or name a file with --ca-file", "this system has no certificate authority to trust")
	}
	if len(found) == 0 || d.Place.CAFile != "" && len(found) == 1 {
		found = append(found, "the system's")
	}
	return okay("%s", strings.Join(found, " and "))
}

// holdsCertificates wants a file with at least one certificate that can be read.
func holdsCertificates(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			return nil
		}
	}
	return fmt.Errorf("there is no certificate in %s", filepath.Clean(path))
}

func (d *Examination) checkIssuer(context.Context) finding {
	a := d.issuer()
	if f, bad := a.trouble(d.Provider.Issuer); bad {
		return f
	}
	return okay("%s answers", d.Provider.Issuer)
}

func (d *Examination) checkBackend(context.Context) finding {
	a := d.backend()
	if f, bad := a.trouble(d.Provider.BackendURL); bad {
		return f
	}
	if a.status >= 500 {
		return warning("wait and run this again: the server itself has a problem", "%s answers %d", d.Provider.BackendURL, a.status)
	}
	return okay("%s answers (%d, without a token)", d.Provider.BackendURL, a.status)
}

// clockTolerance is the difference to the issuer's clock that nobody needs to
// care about: its Date has a resolution of a second and is as old as its way here.
const clockTolerance = 20 * time.Second

func (d *Examination) checkClock(context.Context) finding {
	a := d.issuer()
	of := d.Provider.Issuer
	if a.date.IsZero() {
		a, of = d.backend(), d.Provider.BackendURL
	}
	if a.date.IsZero() {
		return skipped("no server said what time it is")
	}
	ahead := a.date.Sub(a.at)
	learned := time.Duration(0)
	if s, ok := d.signedIn(); ok {
		learned = s.Skew
	}
	const remedy = "set this machine's clock, or let it be set from the network (NTP)"
	switch {
	case ahead.Abs() >= clockTolerance && (ahead-learned).Abs() >= clockTolerance:
		return warning(remedy+"; until then the next refresh learns the difference, and all who share the login correct for it",
			"this machine's clock is %s; nothing corrects for it yet", offBy(ahead, of))
	case ahead.Abs() >= clockTolerance:
		return warning(remedy, "this machine's clock is %s; that is corrected for", offBy(ahead, of))
	case learned != 0:
		return warning("nothing to do: the next refresh corrects that", "this machine's clock is right, but %v are still added to it since the last refresh", learned)
	}
	return okay("right, to within %v of what %s says", clockTolerance, of)
}

func offBy(ahead time.Duration, of string) string {
	direction := "behind"
	if ahead < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("%v %s that of %s", ahead.Abs().Round(time.Second), direction, of)
}

func (d *Examination) checkPorts(ctx context.Context) finding {
	ports := login.CheckPorts(ctx, d.Ports)
	var free, taken []string
	for _, p := range ports {
		if p.Err == nil {
			free = append(free, fmt.Sprint(p.Number))
			continue
		}
		taken = append(taken, cleantext.Line(strings.TrimPrefix(p.Err.Error(), login.ErrPortsTaken.Error()+": ")))
	}
	const remedy = "close the programs that hold them before the next sign-in (another codexauth or Codex CLI that waits for a browser?), or use `codexauth login --device`"
	switch {
	case len(free) == 0:
		return problem(remedy, "a sign-in in the browser is not possible now: %s", strings.Join(taken, ", "))
	case len(taken) > 0:
		return warning("nothing to do: a sign-in uses the other one", "%s; free: %s", strings.Join(taken, ", "), strings.Join(free, ", "))
	}
	return okay("%s are free on 127.0.0.1 and [::1]", strings.Join(free, " and "))
}
