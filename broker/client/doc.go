// Package client lets a program use the login of a broker (`codexauth serve`)
// without holding it. All that it needs is the broker's socket, or its address
// and a key:
//
//	c, err := client.New("broker+unix:/run/codexauth/serve.sock", client.Options{})
//	m, err := codexauth.NewManager(codexauth.Config{Lessor: c})
//	token, err := m.Token(ctx)      // leased, cached, and another one in time
//	hc := m.Client()                // signs requests to the backend itself
//
// That takes the right to lease: the broker's own user on its socket, or a key of
// `codexauth serve key add NAME --lease`. With any other key a program sends its
// requests to the broker, which signs them, and never sees a token:
//
//	hc := c.HTTPClient()            // shows the key, to the broker alone
//	resp, err := hc.Post(c.BaseURL()+"/responses", "application/json", body)
//
// # Addresses
//
//   - broker+unix:PATH[?uid=N]     a Unix socket; no key
//   - broker+https://HOST[:PORT]   with a key, and TLS
//   - broker+http://HOST:PORT      with a key; loopback only
//
// A socket is used only if this user serves it, or root, or else the user whose id the
// address names: a stranger's would give its clients the stranger's account.
//
// The last two take parameters: key-file=PATH, and for https ca-file=PATH, the
// authorities that may vouch for the broker, in place of the system's. A key never
// stands in an address, which ends up in process lists and logs. Without key-file
// it is read from the file that CODEXAUTH_BROKER_KEY_FILE names, or from
// CODEXAUTH_BROKER_KEY. A key's file is read for every request: put the next key
// there before the old one is revoked.
//
// Beyond loopback, plain http shows key and tokens to everybody on the way and is
// refused, unless the address says dangerously-in-clear=yes.
package client
