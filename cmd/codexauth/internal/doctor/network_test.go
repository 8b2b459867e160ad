package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/place"
)

// certificate is one of its own authority, for 127.0.0.1 unless change says else.
func certificate(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Proxy CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// asking examines the network with the server as issuer and backend. Its
// certificate is trusted if trust says so.
func asking(t *testing.T, issuer string, trust *x509.Certificate) *Examination {
	t.Helper()
	p := &place.Place{Profile: "default", Provider: codexauth.Provider{Issuer: issuer}}
	provider, err := p.Provider.Complete()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if trust != nil {
		pool.AddCert(trust)
	}
	p.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	d := &Examination{Questions: questionsOf(p, provider), patience: 5 * time.Second}
	d.issuer = once(t.Context(), d.patience, d.askIssuer)
	d.backend = once(t.Context(), d.patience, d.askBackend)
	return d
}

func TestDoctorTellsTLSErrorsApart(t *testing.T) {
	t.Parallel()
	good := func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
	for name, tt := range map[string]struct {
		change func(*x509.Certificate)
		trust  bool
		state  string
		says   []string
	}{
		"good":              {nil, true, stateOK, nil},
		"unknown authority": {nil, false, stateProblem, []string{"does not trust", "Test Proxy CA", "--ca-file"}},
		"expired": {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-24 * time.Hour) }, true,
			stateProblem, []string{"not valid at this machine's time", "set this machine's clock"}},
		"not yet valid": {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(24 * time.Hour) }, true,
			stateProblem, []string{"not valid at this machine's time", "set this machine's clock"}},
		"another name": {func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"login.hotel.example"}
		}, true, stateProblem, []string{"for another name", "captive portal"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert := certificate(t, tt.change)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(good))
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0) // each refused handshake is one
			srv.StartTLS()
			defer srv.Close()
			var trust *x509.Certificate
			if tt.trust {
				trust = cert.Leaf
			}
			d := asking(t, srv.URL, trust)
			wantFinding(t, d.checkIssuer(t.Context()), tt.state, tt.says...)
			wantFinding(t, d.checkBackend(t.Context()), tt.state, tt.says...)
		})
	}
}

func TestDoctorOfOddAnswers(t *testing.T) {
	t.Parallel()
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>Welcome to the hotel</html>")
		}
	}
	for name, tt := range map[string]struct {
		handler         http.HandlerFunc
		issuer, backend string
		says            string
	}{
		"a captive portal":    {html(200), stateProblem, stateProblem, "captive portal"},
		"a gateway":           {html(403), stateProblem, stateProblem, "gateway"},
		"a redirect":          {http.RedirectHandler("http://login.hotel.example/?u=x", http.StatusFound).ServeHTTP, stateProblem, stateProblem, "login.hotel.example"},
		"a server in trouble": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, stateWarning, stateWarning, "503"},
		"no metadata":         {http.NotFound, stateOK, stateOK, ""},
		"another issuer's": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"issuer":"https://other.example"}`) },
			stateProblem, stateOK, ""},
		"no answer": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, stateProblem, stateProblem, "online"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			defer srv.Close()
			d := asking(t, srv.URL, nil)
			wantFinding(t, d.checkIssuer(t.Context()), tt.issuer, tt.says)
			wantFinding(t, d.checkBackend(t.Context()), tt.backend, tt.says)
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(http.HandlerFunc(http.NotFound))
		defer srv.Close()
		d := asking(t, strings.Replace(srv.URL, "http:", "https:", 1), nil)
		wantFinding(t, d.checkIssuer(t.Context()), stateProblem, "does not speak TLS")
	})
}

// A server that takes connections and never says a word costs what a check is given.
func TestDoctorOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := asking(t, "http://"+l.Addr().String(), nil)
	d.patience = 100 * time.Millisecond
	d.issuer = once(t.Context(), d.patience, d.askIssuer)
	d.backend = once(t.Context(), d.patience, d.askBackend)
	began := time.Now()
	findings := examine(t.Context(), d.patience, d.networkChecks())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, c := range d.networkChecks() {
		switch c.name {
		case "issuer", "backend":
			wantFinding(t, findings[i], stateProblem, "no answer")
		case "clock":
			wantFinding(t, findings[i], stateSkipped)
		}
	}
}

// What a proxy does wrong is the proxy's.
func TestDoctorOfAProxy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"wants a password": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }, "name and a password"},
		"refuses":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "Forbidden"},
	} {
		srv := httptest.NewServer(tt.handler)
		defer srv.Close()
		proxy, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		d := asking(t, "https://issuer.invalid", nil)
		d.Place.HTTP.Transport.(*http.Transport).Proxy = http.ProxyURL(proxy)
		f := d.checkIssuer(context.Background())
		if f.state != stateProblem || !strings.Contains(f.detail, tt.says) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	closed := httptest.NewServer(nil)
	proxy, _ := url.Parse(closed.URL)
	closed.Close()
	d := asking(t, "https://issuer.invalid", nil)
	d.Place.HTTP.Transport.(*http.Transport).Proxy = http.ProxyURL(proxy)
	wantFinding(t, d.checkIssuer(t.Context()), stateProblem, "the proxy can't be used", "fix HTTPS_PROXY")
}

// Through a cache, a Date is old.
func TestDoctorDoesNotBelieveACache(t *testing.T) {
	t.Parallel()
	for _, age := range []string{"", "3600"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if age != "" {
				w.Header().Set("Age", age)
			}
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			http.NotFound(w, r)
		}))
		defer srv.Close()
		d := asking(t, srv.URL, nil)
		d.manager = nil
		want := stateWarning
		if age != "" {
			want = stateSkipped
		}
		wantFinding(t, d.checkClock(t.Context()), want)
	}
}
