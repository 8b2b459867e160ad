package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"codexauth/internal/rig"
	"codexauth/internal/rig/freeport"
	"codexauth/sandbox"
)

// network plays whatever can happen to a request. A login whose token was not
// spent lives; one whose answer is lost is reported so, once.
func network(b *run) ([]verdict, error) {
	grace := sandbox.Config{Grace: time.Minute}
	proofs := []proof{
		{name: "refused", play: refused},
		{name: "refused by the token endpoint", play: refusedLater},
		{name: "reset on connection", play: resetOnConnection},
		{name: "reset before the server has the request", play: resetUnseen},
		{name: "reset instead of the answer", play: resetInstead},
		{name: "closed before the token is spent", play: passing("drop-before*1", "may have been spent", 2)},
		{name: "closed after the token is spent", play: fatal("drop-after*1")},
		{name: "closed after the token is spent, server with a grace period", cfg: grace, play: passing("drop-after*1", "may have been spent", 2)},
		{name: "502 after the token is spent", play: fatal("status-after=502*1")},
		{name: "502 after the token is spent, server with a grace period", cfg: grace, play: passing("status-after=502*1", "502", 2)},
		{name: "500", play: passing("status=500*1", "500", 2)},
		{name: "garbage behind the answer", play: func(t *trial) error { return errors.Join(t.Fault("trailing*1"), t.livesAfter(1)) }},
		{name: "answer cut off in the middle", play: truncated},
		{name: "captive portal, HTML with 200", play: passing("html*1", "unreadable", 2)},
		{name: "captive portal, HTML with 403", play: passing("html-status=403*1", "captive portal", 2)},
		{name: "gateway's HTML with 401", play: passing("html-status=401*1", "captive portal", 2)},
		{name: "captive portal before the metadata", play: portal},
		{name: "redirect", play: redirected},
		{name: "429 with Retry-After", play: rateLimited},
		{name: "a server that fails, asked by many", play: failing},
		{name: "proxy of the environment, private certificate authority", play: proxied},
		{name: "private certificate authority by flag", play: certified},
		{name: "a backend that refuses one client of a broker, and one program", play: refusedClient},
		{name: "an answer after 65 seconds", play: slow(65 * time.Second)},
		{name: "an answer after 200 seconds", full: true, play: slow(200 * time.Second)},
	}
	return b.prove("network", 16, append(proofs, hanging()...)), nil
}

// passing: a request meets a fault and nothing is lost. The same command works
// when the pause for all processes is over, after so many requests in all.
func passing(fault, says string, requests int) func(*trial) error {
	return func(t *trial) error {
		return errors.Join(
			t.Fault(fault),
			t.Run("token").Want(exitTryLater, says),
			t.livesAfter(requests))
	}
}

// fatal: the server spends the token and its answer is lost.
func fatal(fault string) func(*trial) error {
	return func(t *trial) error {
		if err := t.Fault(fault); err != nil {
			return err
		}
		return t.losesAnswer(t.Run("token"))
	}
}

// losesAnswer checks what is said about a refresh whose answer was lost.
func (t *trial) losesAnswer(first result) error {
	rec, err := t.stored()
	if err != nil || rec.Note == nil {
		return fmt.Errorf("no note of the refresh whose answer is lost: %w, %v", err, first)
	}
	second := t.Run("token")
	return errors.Join(first.Want(exitTryLater, "may have been spent"), t.reportedLost(second, rec.Note.PID))
}

func refused(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	f.Close()
	err = errors.Join(t.Run("token").Want(exitTryLater, "can't reach"), t.requests(0), f.Open())
	defer f.Close()
	return errors.Join(err, t.livesAfter(1))
}

// forgetEndpoints makes the login forget where the token endpoint is: one that can't
// be reached may have moved, so that the issuer's metadata is asked for again.
func forgetEndpoints(t *trial, f *rig.IssuerProxy) error {
	f.Close()
	return errors.Join(t.Run("token").Want(exitTryLater, "can't reach"), f.Open())
}

// refusedLater: the metadata can be had, and the token endpoint can't be reached.
func refusedLater(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	closed, err := freeport.Next()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("http://127.0.0.1:%d/oauth/token", closed)
	err = forgetEndpoints(t, f)
	f.TokenURL.Store(&address)
	err = errors.Join(err, t.Run("token").Want(exitTryLater, "can't reach"))
	f.TokenURL.Store(nil)
	return errors.Join(err, t.requests(0), t.livesAfter(1))
}

// resetOnConnection: whoever connects to the token endpoint is reset.
func resetOnConnection(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}()
	address := "http://" + listener.Addr().String() + "/oauth/token"
	err = forgetEndpoints(t, f)
	f.TokenURL.Store(&address)
	err = errors.Join(err, t.Run("token").Want(exitTryLater))
	f.TokenURL.Store(nil)
	return errors.Join(err, t.requests(0), t.livesAfter(1))
}

// resetUnseen: the connection is reset when the request is out, and the server
// never sees it.
func resetUnseen(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	f.Spoil.Store(rig.ResetBefore)
	err = errors.Join(t.Run("token").Want(exitTryLater, "may have been spent"), t.requests(0))
	f.Spoil.Store(0)
	return errors.Join(err, t.livesAfter(1))
}

func resetInstead(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	f.Spoil.Store(rig.ResetAfter)
	first := t.Run("token")
	f.Spoil.Store(0)
	return t.losesAnswer(first)
}

// truncated: of the answer only the access token arrives. It is used while it
// lasts; then the login is over, since its new refresh token never came, and the
// message says so.
func truncated(t *trial) error {
	const lives = 10 * time.Second // much longer than a busy machine needs to use it
	t.Server.SetAccessTTL(lives)
	if err := errors.Join(t.Fault("truncate*1"), t.livesAfter(1)); err != nil {
		return err
	}
	time.Sleep(lives)
	if err := t.Run("token").Want(exitRefused, "cut off", "its answer is lost"); err != nil {
		return err
	}
	again := t.Run("token").Want(exitRefused)
	if n := t.Server.Counters().TokenRequests; n != 2 {
		again = errors.Join(again, fmt.Errorf("want 2 token requests, got %d", n))
	}
	return again
}

func portal(t *trial) error {
	f, err := t.Behind("")
	if err != nil {
		return err
	}
	defer f.Close()
	err = forgetEndpoints(t, f)
	f.Portal.Store(true)
	err = errors.Join(err, t.Run("token").Want(exitTryLater, "captive portal"), t.requests(0))
	f.Portal.Store(false)
	return errors.Join(err, t.livesAfter(1))
}

func redirected(t *trial) error {
	err := passing("redirect*1", "redirect", 2)(t)
	if n := t.Server.Counters().RedirectsTaken; n != 0 {
		err = errors.Join(err, fmt.Errorf("%d redirects were followed", n))
	}
	return err
}

// rateLimited: nobody asks before the time that the server named, not even when
// a person insists.
func rateLimited(t *trial) error {
	const named = 30 * time.Second // a command sits out what is left of it once that is less than 15 s
	began := time.Now()
	if err := t.Fault(fmt.Sprintf("rate-limit=%.f*1", named.Seconds())); err != nil {
		return err
	}
	err := t.Run("token").Want(exitTryLater, "try again in")
	for _, command := range []string{"token", "refresh", "token"} {
		r := t.Run(command)
		err = errors.Join(err, r.Want(exitTryLater, "try again in"))
		if r.Wall > 10*time.Second {
			err = errors.Join(err, fmt.Errorf("it waited instead of telling: %v", r))
		}
	}
	err = errors.Join(err, t.requests(1))
	time.Sleep(time.Until(began.Add(named - 12*time.Second)))
	err = errors.Join(err, t.livesAfter(2))
	if wall := time.Since(began); wall < named {
		err = errors.Join(err, fmt.Errorf("the server was asked again after %v", wall))
	}
	return err
}

// failing: the first minute of a server that fails brings it at most three
// requests, from however many processes. (In twenty seconds: at most two.)
func failing(t *trial) error {
	length, most := rig.Pick(t.b.Run, 20*time.Second, time.Minute), rig.Pick(t.b.Run, 2, 3)
	if err := t.Fault("status=500"); err != nil {
		return err
	}
	var wg sync.WaitGroup
	end := time.Now().Add(length)
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				t.Run("token")
				time.Sleep(50 * time.Millisecond)
			}
		})
		wg.Go(func() {
			t.RunProgram("client", nil, "-store", t.Address, "-issuer", t.Issuer, "-goroutines", "8", "-for", length.String())
		})
	}
	time.Sleep(time.Until(end))
	asked := t.Server.Counters().TokenRequests
	t.Server.ClearFaults()
	wg.Wait()
	err := errors.Join(t.Run("refresh").Want(0), t.lives())
	if asked > most {
		err = errors.Join(err, fmt.Errorf("%d token requests in %v", asked, length))
	}
	fmt.Printf("  a server that fails: %d token requests in %v\n", asked, length)
	return err
}

// certified: only --ca-file vouches for the issuer.
func certified(t *trial) error {
	f, err := t.Behind("localhost")
	if err != nil {
		return err
	}
	defer f.Close()
	err = errors.Join(t.Run("token").Want(exitTryLater, "certificate"), t.requests(0))
	_, err2 := t.honoured(t.Run("--ca-file", f.CA, "token", "--json"))
	return errors.Join(err, err2, t.requests(1))
}

// proxied: the issuer has a name that only the proxy knows, and a certificate
// that only SSL_CERT_FILE vouches for.
func proxied(t *trial) error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return skip{"SSL_CERT_FILE is not for this system"}
	}
	f, err := t.Behind("auth.rigs.test")
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := openTunnel(func() string { return f.Addr })
	if err != nil {
		return err
	}
	defer p.server.Close()
	proxy := "HTTPS_PROXY=" + p.url
	err = errors.Join(
		t.Run("token").Want(exitTryLater, "can't reach"), // no such name
		t.requests(0))
	t.Env = []string{proxy}
	err = errors.Join(err, t.Run("token").Want(exitTryLater, "certificate"), t.requests(0))
	t.Env = []string{proxy, "SSL_CERT_FILE=" + f.CA}
	before := p.count.Load()
	err = errors.Join(err, t.livesAfter(1))
	if p.count.Load() == before {
		err = errors.Join(err, errors.New("the proxy was not used"))
	}
	return err
}
