package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// DefaultClientID is the public client that the Codex CLI registers.
const DefaultClientID = "app_EMoamEEZ73f0CkXaXp7hrann"

// Config says how a sandbox behaves. The zero value is a strict server on a
// port of the kernel's choice: refresh tokens are single use, and presenting a
// spent one revokes the login.
type Config struct {
	// Addr is host:port to listen on; "" is 127.0.0.1:0. The host must be a
	// loopback address or localhost (which is 127.0.0.1).
	Addr string

	// AccessTTL is how long an access token lives, in whole seconds (rounded
	// up); 0 is one hour. A negative value mints tokens that have already
	// expired, to begin a test with a stale login.
	AccessTTL time.Duration

	// RefreshTTL is how long an unused refresh token lives; 0 is for ever.
	RefreshTTL time.Duration

	// Grace is how long a spent refresh token is still accepted. Whoever
	// presents it gets a new access token and the same successor again.
	// 0 is strict: a second use is a reuse.
	Grace time.Duration

	// KeepFamily: a reuse is refused but does not revoke the login. By default
	// it does (RFC 9700 §4.14.2).
	KeepFamily bool

	// AutoApprove: the authorize endpoint redirects at once, without login page
	// and consent, as the first of Users (or the one that login_hint names).
	// Device codes are not affected.
	AutoApprove bool

	// ClockOffset moves the server's clock: the Date header, iat and exp, and
	// every lifetime it judges.
	ClockOffset time.Duration

	// Now is the clock that ClockOffset is added to; nil is time.Now.
	Now func() time.Time

	// Seed, unless 0, makes the signing key, tokens, codes and ids the same in
	// every run that makes the same requests in the same order. JWTs are then
	// equal too where Now is fixed.
	Seed uint64

	// ControlKey is the key of the control endpoint; "" is a random one.
	ControlKey string

	// ClientID is the one client that may sign in; "" is DefaultClientID.
	ClientID string

	// Users are the people who can sign in; the first is the default. If there
	// are none, one is made up, and the login page takes any email address.
	Users []User

	// NoDiscovery: the metadata documents and the key set answer 404.
	NoDiscovery bool

	// DeviceInterval is how often a device may poll, in whole seconds (rounded
	// up); 0 is 5 s.
	DeviceInterval time.Duration

	// DeviceTTL is how long a device code lives; 0 is 15 min.
	DeviceTTL time.Duration

	// Log receives one line a request and one a fault, without tokens, codes,
	// queries, bodies or headers. nil is silent.
	Log *slog.Logger
}

// A User is somebody who can sign in. Empty fields are made up from the email
// address, and an empty address is dev@sandbox.test.
type User struct {
	Email     string `json:"email,omitempty"`
	AccountID string `json:"account_id,omitempty"` // claim chatgpt_account_id
	UserID    string `json:"user_id,omitempty"`    // claim chatgpt_user_id
	Plan      string `json:"plan,omitempty"`       // claim chatgpt_plan_type; "plus" if empty
	FedRAMP   bool   `json:"fedramp,omitempty"`    // claim chatgpt_account_is_fedramp
}

func (u User) withDefaults() User {
	u.Email = cmp.Or(strings.TrimSpace(u.Email), "dev@sandbox.test")
	sum := sha256.Sum256([]byte(strings.ToLower(u.Email)))
	digits := hex.EncodeToString(sum[:])
	// The shape of a version 4 UUID, which is what account ids look like.
	id := digits[:8] + "-" + digits[8:12] + "-4" + digits[13:16] + "-8" + digits[17:20] + "-" + digits[20:32]
	u.AccountID = cmp.Or(u.AccountID, id)
	u.UserID = cmp.Or(u.UserID, "user-"+digits[32:56])
	u.Plan = cmp.Or(u.Plan, "plus")
	return u
}

func (c Config) withDefaults() (Config, error) {
	addr, err := loopbackAddr(c.Addr)
	if err != nil {
		return c, err
	}
	c.Addr = addr
	for name, d := range map[string]time.Duration{
		"RefreshTTL": c.RefreshTTL, "Grace": c.Grace, "DeviceInterval": c.DeviceInterval, "DeviceTTL": c.DeviceTTL,
	} {
		if d < 0 {
			return c, fmt.Errorf("sandbox: %s is %v; it must not be negative", name, d)
		}
	}
	c.AccessTTL = cmp.Or(c.AccessTTL, time.Hour)
	c.DeviceInterval = cmp.Or(wholeSeconds(c.DeviceInterval), 5*time.Second)
	c.DeviceTTL = cmp.Or(c.DeviceTTL, 15*time.Minute)
	c.ClientID = cmp.Or(c.ClientID, DefaultClientID)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	users := make([]User, 0, len(c.Users))
	for _, u := range c.Users {
		users = append(users, u.withDefaults())
	}
	c.Users = users
	return c, nil
}

// loopbackAddr checks that addr is on this machine only.
func loopbackAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(cmp.Or(addr, "127.0.0.1:0"))
	if err != nil {
		return "", fmt.Errorf("sandbox: address %q is not host:port: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return "", fmt.Errorf("sandbox: address %q is not loopback; use 127.0.0.1:PORT or [::1]:PORT", addr)
	}
	return net.JoinHostPort(host, port), nil
}

// wholeSeconds rounds up, since the protocol counts in seconds.
func wholeSeconds(d time.Duration) time.Duration {
	if part := d % time.Second; part > 0 {
		return d - part + time.Second
	}
	return d - d%time.Second
}
