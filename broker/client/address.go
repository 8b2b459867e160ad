package client

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	hosts "codexauth/internal/address"
)

// ErrAddress: an address that is not a broker's, or must not be used. The
// error says why, and repeats nothing of it that may be a secret.
var ErrAddress = errors.New("invalid broker address")

func badAddress(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAddress, fmt.Sprintf(format, args...))
}

// address is where a broker is.
type address struct {
	socket  string // absolute; "" for TCP
	uid     *int   // who serves the socket, where it is neither this user nor root
	origin  string // scheme and host of its URLs
	keyFile string // absolute; "" if none is named
	caFile  string // likewise
	inClear bool   // the person said so
}

// socketHost stands in the URLs of requests by a socket.
const socketHost = "broker"

func parseAddress(text string) (a address, err error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "broker+unix":
		return socketAddress(rest)
	case "broker+http", "broker+https":
		return tcpAddress(strings.TrimPrefix(text, "broker+"))
	}
	return a, badAddress("write broker+unix:PATH, broker+https://HOST:PORT or broker+http://127.0.0.1:PORT")
}

func socketAddress(text string) (a address, err error) {
	path, query, parameters := strings.Cut(text, "?")
	switch {
	case path == "":
		return a, badAddress("broker+unix: names no socket")
	case strings.HasPrefix(path, "~"):
		return a, badAddress("the shell did not expand the ~; write $HOME instead")
	}
	if parameters {
		digits, ok := strings.CutPrefix(query, "uid=")
		uid, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil {
			return a, badAddress("the only parameter of broker+unix:PATH is uid=NUMBER, the user who serves the socket: no key is needed on one")
		}
		a.uid = new(int)
		*a.uid = int(uid)
	}
	a.origin = "http://" + socketHost
	a.socket, err = filepath.Abs(path)
	return a, err
}

func tcpAddress(text string) (a address, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return a, badAddress("write broker+https://HOST:PORT") // not what url.Parse says, which repeats it all
	case u.User != nil:
		return a, badAddress("a key does not belong in an address; name its file with ?key-file=PATH, or set CODEXAUTH_BROKER_KEY_FILE or CODEXAUTH_BROKER_KEY")
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return a, badAddress("only parameters may follow HOST:PORT")
	case u.Scheme == "http" && u.Port() == "":
		return a, badAddress("the port is missing: broker+http://127.0.0.1:PORT")
	}
	a.origin = u.Scheme + "://" + strings.ToLower(u.Host)
	if err := a.parameters(u.RawQuery, u.Scheme == "https"); err != nil {
		return a, err
	}
	if u.Scheme == "http" && !hosts.Loopback(u.Hostname()) && !a.inClear {
		return a, badAddress("plain http to another machine shows the key and the tokens to everyone on the network; use broker+https (dangerously-in-clear=yes if you must)")
	}
	return a, nil
}

func (a *address) parameters(query string, tls bool) (err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return badAddress("its parameters can't be read")
	}
	for name, all := range values {
		switch value := all[len(all)-1]; {
		case len(all) != 1 || value == "":
			return badAddress("a parameter is empty or repeated")
		case name == "key-file":
			a.keyFile, err = filepath.Abs(value)
		case name == "ca-file" && tls:
			a.caFile, err = filepath.Abs(value)
		case name == "dangerously-in-clear" && !tls && value == "yes":
			a.inClear = true
		case name == "key":
			return badAddress("a key does not belong in an address; name its file with key-file=PATH, or set CODEXAUTH_BROKER_KEY_FILE or CODEXAUTH_BROKER_KEY")
		default:
			return badAddress("its parameters are key-file=PATH and, with https, ca-file=PATH")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// String is the address in full, from which the same client can be made
// elsewhere. It holds no secret.
func (a address) String() string {
	if a.socket != "" && a.uid != nil {
		return fmt.Sprintf("broker+unix:%s?uid=%d", a.socket, *a.uid)
	}
	if a.socket != "" {
		return "broker+unix:" + a.socket
	}
	var query []string
	add := func(name, value string) {
		if value != "" {
			query = append(query, name+"="+strings.ReplaceAll(url.QueryEscape(value), "%2F", "/"))
		}
	}
	add("key-file", a.keyFile)
	add("ca-file", a.caFile)
	if a.inClear {
		add("dangerously-in-clear", "yes")
	}
	text := "broker+" + a.origin
	if len(query) > 0 {
		text += "?" + strings.Join(query, "&")
	}
	return text
}

// short is the address for error texts.
func (a address) short() string {
	if a.socket != "" {
		return a.socket
	}
	return a.origin
}

// dialed is what is connected to.
func (a address) dialed() (network, target string) {
	if a.socket != "" {
		return "unix", a.socket
	}
	u, _ := url.Parse(a.origin) // it was made of one
	port := u.Port()
	if port == "" {
		port = "443"
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1" // as the broker has it: somebody else may listen on [::1]
	}
	return "tcp", net.JoinHostPort(host, port)
}
