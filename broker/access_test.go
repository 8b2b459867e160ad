package broker

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Each attack is one request as bytes, with KEY, LEASE and HOST filled in.
func TestAttacks(t *testing.T) {
	r := newRig(t, nil)
	r.addKey("gone", nil)
	expired := r.addKey("expired", func(k *Key) { k.Expires = time.Now().Add(-time.Second); k.Lease = true })
	revoked := r.addKey("revoked", func(k *Key) { k.Lease = true })
	if !r.keys.Revoke("revoked") {
		t.Fatal("not revoked")
	}
	const auth, leaser, host = "Authorization: Bearer KEY\r\n", "Authorization: Bearer LEASE\r\n", "Host: HOST\r\n"
	get := func(target, headers string) string { return "GET " + target + " HTTP/1.1\r\n" + headers + "\r\n" }
	post := func(target, headers, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", target, headers, len(body), body)
	}
	tests := []struct {
		name, request string
		status        int
		code          string
	}{
		{"no key", get("/v1/models", host), 401, "unauthorized"},
		{"no key, unknown path", get("/secret", host), 401, "unauthorized"},
		{"wrong key", get("/v1/models", host+"Authorization: Bearer codexauth_AAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"), 401, "unauthorized"},
		{"empty key", get("/v1/models", host+"Authorization: Bearer \r\n"), 401, "unauthorized"},
		{"key as Basic", get("/v1/models", host+"Authorization: Basic KEY\r\n"), 401, "unauthorized"},
		{"key in X-Api-Key", get("/v1/models", host+"X-Api-Key: KEY\r\n"), 401, "unauthorized"},
		{"two keys", get("/v1/models", host+auth+auth), 401, "unauthorized"},
		{"revoked key", get("/v1/models", host+"Authorization: Bearer "+revoked+"\r\n"), 401, "unauthorized"},
		{"expired key", post("/token", host+"Authorization: Bearer "+expired+"\r\n", ""), 401, "unauthorized"},
		{"key in the query", get("/v1/models?x=KEY", host+auth), 400, "key_in_query"},
		{"escaped key in the query", get("/v1/models?x=%63odexauth_ABC", host+auth), 400, "key_in_query"},
		{"api_key in the query", get("/v1/models?api_key=1", host+auth), 400, "key_in_query"},
		{"key in an unreadable query", get("/v1/models?a=%zz;%63odexauth_ABC=%", host+auth), 400, "key_in_query"},
		{"api_key behind a semicolon", get("/v1/models?a=1;Api_Key=2", host+auth), 400, "key_in_query"},
		{"escaped api_key", get("/v1/models?%61pi_key=%", host+auth), 400, "key_in_query"},
		{"lease without the right", post("/token", host+auth, ""), 403, "lease_refused"},
		{"lease by GET", get("/token", host+leaser), 405, "method_not_allowed"},

		{"foreign Host", get("/v1/models", "Host: evil.example\r\n"+auth), 421, "wrong_host"},
		{"foreign Host that begins like ours", get("/v1/models", "Host: 127.0.0.1.evil.example\r\n"+auth), 421, "wrong_host"},
		{"foreign Host, health", get("/healthz", "Host: evil.example\r\n"), 421, "wrong_host"},
		{"no Host", get("/v1/models", auth), 400, ""},
		{"two Hosts", get("/v1/models", host+"Host: evil.example\r\n"+auth), 400, ""},
		{"no Host in HTTP/1.0", "GET /v1/models HTTP/1.0\r\n" + auth + "\r\n", 421, "wrong_host"},
		{"Origin", get("/v1/models", host+auth+"Origin: https://evil.example\r\n"), 403, "origin_refused"},
		{"Origin null", get("/v1/models", host+auth+"Origin: null\r\n"), 403, "origin_refused"},
		{"empty Origin", get("/v1/models", host+auth+"Origin: \r\n"), 403, "origin_refused"},
		{"our own Origin", get("/v1/models", host+auth+"Origin: http://HOST\r\n"), 403, "origin_refused"},
		{"preflight", "OPTIONS /token HTTP/1.1\r\n" + host + "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", 403, "origin_refused"},
		{"cross-site text/plain", post("/token", host+"Origin: https://evil.example\r\nContent-Type: text/plain\r\n", "{}"), 403, "origin_refused"},
		{"text/plain", post("/token", host+leaser+"Content-Type: text/plain\r\n", "{}"), 415, "unsupported_media_type"},
		{"form", post("/token", host+leaser+"Content-Type: application/x-www-form-urlencoded\r\n", "a=b"), 415, "unsupported_media_type"},
		{"no Content-Type", post("/token", host+leaser, "{}"), 415, "unsupported_media_type"},

		{"escaped dots", get("/backend-api/codex/%2e%2e/accounts", host+auth), 400, "bad_path"},
		{"half escaped dots", get("/backend-api/codex/.%2E/accounts", host+auth), 400, "bad_path"},
		{"twice escaped dots", get("/backend-api/codex/%252e%252e/accounts", host+auth), 400, "bad_path"},
		{"dots", get("/backend-api/codex/../accounts", host+auth), 400, "bad_path"},
		{"dots at the end", get("/backend-api/codex/..", host+auth), 400, "bad_path"},
		{"one dot", get("/backend-api/codex/./responses", host+auth), 400, "bad_path"},
		{"escaped slash", get("/backend-api/codex%2f..%2faccounts", host+auth), 400, "bad_path"},
		{"escaped backslash", get("/backend-api/codex/%5c..%5caccounts", host+auth), 400, "bad_path"},
		{"backslash", get(`/backend-api/codex/..\accounts`, host+auth), 400, "bad_path"},
		{"semicolon", get("/backend-api/codex/..;/accounts", host+auth), 400, "bad_path"},
		{"escaped letter", get("/backend-api/code%78/models", host+auth), 400, "bad_path"},
		{"escaped NUL", get("/backend-api/codex/models%00", host+auth), 400, "bad_path"},
		{"two slashes", get("//backend-api/codex/models", host+auth), 400, "bad_path"},
		{"two slashes inside", get("/backend-api/codex//models", host+auth), 400, "bad_path"},
		{"fragment", get("/backend-api/codex/models#x", host+auth), 400, "bad_path"},
		{"not ASCII", get("/backend-api/codex/mod\xc3\xa9ls", host+auth), 400, "bad_path"},
		{"long path", get("/backend-api/codex/"+strings.Repeat("a", 2000), host+auth), 400, "bad_path"},
		{"prefix only", get("/backend-api/codex", host+auth), 404, "not_found"},
		{"prefix continued", get("/backend-api/codexx/models", host+auth), 404, "not_found"},
		{"the rest of the backend", get("/backend-api/wham/usage", host+auth), 404, "not_found"},
		{"absolute form", get("http://HOST/v1/models", host+auth), 400, "bad_path"},
		{"absolute form to elsewhere", get("http://evil.example/v1/models", host+auth), 400, "bad_path"},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\n" + host + auth + "\r\n", 400, "bad_path"},
		{"CONNECT to a path", "CONNECT /v1/models HTTP/1.1\r\n" + host + auth + "\r\n", 405, "method_not_allowed"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" + host + auth + "\r\n", 400, "bad_path"},
		{"TRACE", "TRACE /backend-api/codex/models HTTP/1.1\r\n" + host + auth + "\r\n", 405, "method_not_allowed"},

		{"two lengths", "POST /v1/responses HTTP/1.1\r\n" + host + auth + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, ""},
		{"negative length", "POST /v1/responses HTTP/1.1\r\n" + host + auth + "Content-Length: -1\r\n\r\n", 400, ""},
		{"unknown encoding", "POST /v1/responses HTTP/1.1\r\n" + host + auth + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, ""},
		{"two encodings", "POST /v1/responses HTTP/1.1\r\n" + host + auth + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, ""},
		{"space before the colon", get("/v1/models", host+"Authorization : Bearer KEY\r\n"), 400, ""},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""},
		{"header flood", get("/v1/models", host+auth+strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 50)), 431, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := strings.NewReplacer("KEY", r.key, "LEASE", r.lease, "HOST", r.addr).Replace(tt.request)
			request = strings.Replace(request, "\r\n", "\r\nConnection: close\r\n", 1)
			answer := r.raw(request)
			if statusOf(answer) != tt.status || !strings.Contains(answer, `"code":"`+tt.code+`"`) == (tt.code != "") {
				t.Errorf("want %d %s, got %s", tt.status, tt.code, answer)
			}
			if strings.Contains(strings.ToLower(answer), "access-control-") {
				t.Errorf("a CORS header: %s", answer)
			}
			if strings.Contains(answer, r.token()) {
				t.Error("the answer holds the access token")
			}
		})
	}
	if n := r.sandbox.Counters().BackendRequests; n != 0 {
		t.Errorf("%d of them reached the backend", n)
	}
	for _, secret := range []string{r.key, r.lease, expired, revoked, r.token()} {
		if strings.Contains(r.log.String(), secret) {
			t.Error("the log holds a key or a token")
		}
	}
}

// A request with both length headers is read as chunked and passed on as such.
// What follows is not taken for a request of its own: the connection ends, and so
// it does after every other one whose end somebody else may see elsewhere.
func TestBothLengthHeaders(t *testing.T) {
	seen := make(chan string, 20)
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- fmt.Sprintf("%s %q", r.URL.Path, body)
	})
	next := "GET /backend-api/codex/smuggled HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key + "\r\n\r\n"
	for name, head := range map[string]string{
		"both":            "POST /v1/responses HTTP/1.1\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n",
		"both, reordered": "POST /v1/responses HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n",
		"both, to us":     "GET /healthz HTTP/1.1\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n",
		"both, refused":   "GET /nowhere HTTP/1.1\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n",
		"HTTP/1.0":        "POST /v1/responses HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nX-Length: %d\r\nTransfer-Encoding: chunked\r\n",
	} {
		rest := "0\r\n\r\n" + next
		answer := r.raw(fmt.Sprintf(head, len(rest)) + "Host: " + r.addr + "\r\nAuthorization: Bearer " + r.key + "\r\n\r\n" + rest)
		if n := strings.Count(answer, "HTTP/1."); n != 1 || !strings.Contains(answer, "Connection: close") {
			t.Errorf("%s: %d answers: %s", name, n, answer)
		}
	}
	r.server.Close()
	close(seen)
	for got := range seen {
		if got != `/backend-api/codex/models ""` && got != `/backend-api/codex/responses ""` && got != `/backend-api/codex/responses "0\r\n\r\n"` {
			t.Errorf("the backend saw %s", got)
		}
	}
}

// What is malformed in a query and no key is no reason to refuse it.
func TestMalformedQuery(t *testing.T) {
	r := newRig(t, nil)
	for _, query := range []string{"a=50%", "a=1;2", "%zz", "a=%&b=%4", "a;b;c", "=;%;"} {
		if status, text, _ := r.ask("GET", "/v1/models?"+query, ""); status != 200 {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
}

// A body that can't be read is the client's fault, and is never worth a retry.
func TestMalformedBody(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	for _, path := range []string{"/v1/responses", "/backend-api/codex/responses"} {
		for _, body := range []string{"zz\r\nabc\r\n0\r\n\r\n", "5\r\nabcdefgh\r\n0\r\n\r\n", "3\r\nabc\r\n-1\r\n\r\n", "fffffffffffffffff\r\nabc"} {
			answer := r.raw("POST " + path + " HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key +
				"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
			if statusOf(answer) != 400 || !strings.Contains(answer, `"bad_body"`) || strings.Contains(answer, "Retry-After") {
				t.Errorf("%s %q: %s", path, body, answer)
			}
		}
	}
}

func TestHosts(t *testing.T) {
	s := &Server{cfg: Config{Hosts: []string{"broker.example"}}}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:80": true, "127.8.8.8:1": true, "localhost": true, "LOCALHOST:9": true, "[::1]:80": true, "[::1]": true,
		"broker.example": true, "Broker.Example:8443": true,
		"": false, ":80": false, "evil.example": false, "localhost.evil.example": false, "10.0.0.1": false, "0.0.0.0": false,
		"broker.example.evil.example": false, "x.broker.example": false, "localhost:80:80": false, "localhost@evil": false,
	} {
		if got := s.hostAllowed(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestBodyFlood(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.MaxBody = 1000 })
	for _, length := range []int64{1001, -1} {
		req := r.request("POST", "/backend-api/codex/responses", strings.Repeat("x", 1001))
		req.ContentLength = length
		resp := r.send(req)
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 413 || !strings.Contains(string(text), "too_large") {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
	}
	status, _, _ := r.ask("POST", "/token", `{"not_sha256":"`+strings.Repeat("a", 5000)+`"}`, "Authorization", "Bearer "+r.lease)
	if status != 413 {
		t.Errorf("a long body of /token: %d", status)
	}
}

// Clients that stall: in the head, in the body, in reading what is there.
func TestSlowClients(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Patience = 50 * time.Millisecond })
	head := fmt.Sprintf("POST /v1/responses HTTP/1.1\r\nHost: %s\r\n", r.addr)
	if r.server.http.ReadHeaderTimeout != headPatience || headPatience > 30*time.Second {
		t.Error("heads have no time-out")
	}
	// Nobody waits for the body of somebody who is refused.
	if answer := r.raw(head + "Content-Length: 100\r\n\r\nabc"); statusOf(answer) != 401 {
		t.Errorf("no key: %q", answer)
	}
	if answer := r.raw(head + "Authorization: Bearer " + r.key + "\r\nContent-Length: 100\r\n\r\nabc"); statusOf(answer) != 408 || !strings.Contains(answer, "slow_client") {
		t.Errorf("stalled body: %q", answer)
	}
	answer := r.raw(strings.Replace(head, "/v1/responses", "/token", 1) + "Authorization: Bearer " + r.lease + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if statusOf(answer) != 408 {
		t.Errorf("stalled body of /token: %q", answer)
	}
}

func TestSlowHead(t *testing.T) {
	r := newRig(t, nil)
	r.server.Close()
	again, err := New(r.server.cfg)
	r.must(err)
	again.http.ReadHeaderTimeout = 50 * time.Millisecond
	r.server = again
	l, err := ListenTCP("127.0.0.1:0", nil)
	r.must(err)
	r.addr = l.Addr().String()
	r.serve(l)
	if answer := r.raw("GET /healthz HTTP/1.1\r\nHost: x"); statusOf(answer) == 200 {
		t.Errorf("a head without an end got %q", answer)
	}
}

// A client that does not read is given up, and its stream at the backend with it.
func TestClientThatDoesNotRead(t *testing.T) {
	ended := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for chunk := make([]byte, 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}, func(c *Config) { c.Patience = 100 * time.Millisecond })
	conn := r.dial()
	fmt.Fprintf(conn, "GET /backend-api/codex/flood HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", r.addr, r.key)
	wait(t, ended, "the end at the backend")
}

// A stream that is silent for longer than the patience with slow clients ends as
// it should.
func TestSilentStreamOutlivesThePatience(t *testing.T) {
	next := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-next
	}, func(c *Config) { c.Patience = 20 * time.Millisecond })
	resp := r.send(r.request("POST", "/backend-api/codex/responses", prompt))
	stream := bufio.NewReader(resp.Body)
	event(t, stream)
	time.AfterFunc(100*time.Millisecond, func() { close(next) })
	if rest, err := io.ReadAll(stream); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestTCPIsLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "broker.example:0"} {
		if l, err := ListenTCP(addr, nil); !errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v %v", addr, l, err)
		}
	}
	if _, err := ListenTCP("127.0.0.1", nil); err == nil {
		t.Error("an address without a port")
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := ListenTCP(addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%s listens on %v", addr, ip)
		}
		l.Close()
	}
	l, err := ListenTCP("127.0.0.1:0", &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestAuditLog(t *testing.T) {
	r := newRig(t, nil)
	r.ask("GET", "/v1/models?client_version=q-1-2-3", "")
	r.ask("GET", "/v1/models", "", "Authorization", "")
	r.ask("POST", "/token", "", "Authorization", "Bearer "+r.lease)
	r.ask("GET", "/backend-api/codex/"+strings.Repeat("A", 40), "")
	r.server.Close()
	log := r.log.String()
	for _, want := range []string{
		`who="key plain" method=GET path=/v1/models status=200 took=`,
		`who="" method=GET path="" status=401 took=`,
		`who="key leaser" method=POST path=/token status=200 took=`,
		`path=/backend-api/codex/[redacted] `, // masked: it looks like a token
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	for _, secret := range []string{r.key, r.lease, r.token(), "q-1-2-3", "AAAA"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.8s…", secret)
		}
	}
}

func TestTLS(t *testing.T) {
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	r := newRig(t, nil, func(c *Config) { c.Hosts = []string{"example.com"} })
	l, err := ListenTCP("127.0.0.1:0", &tls.Config{Certificates: donor.TLS.Certificates})
	r.must(err)
	r.serve(l)
	for _, tt := range []struct {
		host, key string
		status    int
	}{{"", r.key, 200}, {"example.com", r.key, 200}, {"evil.example", r.key, 421}, {"", "", 401}} {
		req := r.request("GET", "/v1/models", "", "Authorization", "Bearer "+tt.key)
		req.URL.Scheme, req.URL.Host, req.Host = "https", l.Addr().String(), tt.host
		resp, err := donor.Client().Do(req)
		r.must(err)
		resp.Body.Close()
		if resp.StatusCode != tt.status || resp.ProtoMajor != 1 {
			t.Errorf("%+v: %s %s", tt, resp.Proto, resp.Status)
		}
	}
	if resp, err := http.Get("http://" + l.Addr().String() + "/healthz"); err == nil && resp.StatusCode == 200 {
		t.Error("it answers without TLS, too")
	}
}
