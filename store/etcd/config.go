package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codexauth"
	"codexauth/internal/certfile"
)

// DefaultPrefix begins the keys where nothing else is given.
const DefaultPrefix = "codexauth/"

// Variables for what an address leaves out. Those of etcd's own command line are
// read too.
const (
	passwordVariable = "CODEXAUTH_ETCD_PASSWORD"
	ctlUser          = "ETCDCTL_USER" // name, or name:password
	ctlPassword      = "ETCDCTL_PASSWORD"
	ctlCACert        = "ETCDCTL_CACERT"
	ctlCert          = "ETCDCTL_CERT"
	ctlKey           = "ETCDCTL_KEY"
)

// Config says which etcd to use, and how.
type Config struct {
	// Endpoints are the client addresses of the cluster's members, each
	// "host:port". They are tried in turn. Required.
	Endpoints []string
	// Prefix begins the keys of the store. Empty means [DefaultPrefix].
	Prefix string
	// User and Password, if User is not empty, are an etcd user's.
	User     string
	Password codexauth.Secret
	// TLS secures the connections. Nil means plain HTTP.
	TLS *tls.Config
}

const form = "write etcds://USER@HOST:2379,HOST:2379/PREFIX?cacert=FILE&cert=FILE&key=FILE&passfile=FILE; all but a host may be left out, and etcd:// is without TLS"

// address is an address of a store, taken apart. It holds no password.
type address struct {
	secure    bool
	user      string
	endpoints []string
	prefix    string
	files     url.Values // cacert, cert, key, passfile; absolute paths
}

// parse reads an address. Its errors repeat nothing of it.
func parse(text string) (*address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "etcd" && scheme != "etcds" {
		return nil, errors.New("the address does not begin with etcd:// or etcds://; " + form)
	}
	a := &address{secure: scheme == "etcds"}
	rest, query, _ := strings.Cut(rest, "?")
	rest, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(path, "@#") || strings.Contains(rest, "#") {
		return nil, errors.New("the address has an @ or # after its hosts: percent-encode them (%40, %23), and leave a password out of it")
	}
	var err error
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if strings.Contains(rest[:i], ":") {
			return nil, errors.New("a password does not belong in the address, which process lists and shell histories show: take it out, and give it by " + passwordVariable + " or passfile=FILE (and change it, if it was in a command line)")
		}
		if a.user, err = url.PathUnescape(rest[:i]); err != nil {
			return nil, errors.New("the user in the address is not percent-encoded as it should be")
		}
		rest = rest[i+1:]
	}
	if a.endpoints, err = parseHosts(rest); err != nil {
		return nil, err
	}
	if a.prefix, err = url.PathUnescape(path); err != nil {
		return nil, errors.New("the prefix in the address is not percent-encoded as it should be")
	}
	return a, a.parseFiles(query)
}

func parseHosts(text string) (endpoints []string, err error) {
	for host := range strings.SplitSeq(text, ",") {
		if u, err := url.Parse("http://" + host); err != nil || host == "" || u.Host != host || u.Hostname() == "" {
			return nil, errors.New("the address does not name a host, or one in a form that is not allowed; " + form)
		} else if u.Port() == "" {
			host = net.JoinHostPort(u.Hostname(), "2379")
		}
		endpoints = append(endpoints, host)
	}
	return endpoints, nil
}

func (a *address) parseFiles(query string) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the address's parameters can't be read; " + form)
	}
	a.files = url.Values{}
	for name, values := range given {
		if !slices.Contains([]string{"cacert", "cert", "key", "passfile"}, name) || len(values) != 1 || values[0] == "" {
			return errors.New("the address has an unknown, empty or repeated parameter; " + form)
		}
		if name != "passfile" && !a.secure {
			return errors.New("the address names a certificate and does not begin with etcds://")
		}
		path, err := filepath.Abs(values[0])
		if err != nil {
			return err
		}
		a.files.Set(name, path)
	}
	return nil
}

// String is the address in full, for every directory to be opened from.
func (a *address) String() string {
	u := ""
	if a.user != "" {
		u = url.PathEscape(a.user) + "@"
	}
	text := a.scheme() + u + strings.Join(a.endpoints, ",") + "/" + escapePrefix(a.prefix)
	if len(a.files) > 0 {
		text += "?" + a.files.Encode()
	}
	return text
}

func (a *address) scheme() string {
	if a.secure {
		return "etcds://"
	}
	return "etcd://"
}

func escapePrefix(prefix string) string {
	return strings.NewReplacer("@", "%40", "?", "%3F", "#", "%23").Replace((&url.URL{Path: prefix}).EscapedPath())
}

// config completes an address by what the environment and the files say.
func (a *address) config() (Config, error) {
	cfg := Config{Endpoints: a.endpoints, Prefix: a.prefix, User: a.user}
	name, password, _ := strings.Cut(os.Getenv(ctlUser), ":")
	if cfg.User == "" {
		cfg.User = name
	} else if cfg.User != name {
		password = "" // somebody else's
	}
	var err error
	if cfg.User != "" {
		if cfg.Password, err = a.password(password); err != nil {
			return cfg, err
		}
	}
	if a.secure {
		cfg.TLS, err = a.tls()
	}
	return cfg, err
}

func (a *address) password(fallback string) (codexauth.Secret, error) {
	if path := a.files.Get("passfile"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return codexauth.Secret{}, unreadable("password file", err)
		}
		fallback = strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), "\r\n")
	} else if text := os.Getenv(passwordVariable); text != "" {
		fallback = text
	} else if text := os.Getenv(ctlPassword); text != "" {
		fallback = text
	}
	if fallback == "" {
		return codexauth.Secret{}, errors.New("the address names a user, and there is no password: set " + passwordVariable + ", or give passfile=FILE")
	}
	return codexauth.NewSecret(fallback), nil
}

func unreadable(what string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("the %s can't be read: %w", what, err)
}

// file is what a parameter names, or a variable.
func (a *address) file(name, variable string) string {
	if path := a.files.Get(name); path != "" {
		return path
	}
	return os.Getenv(variable)
}

func (a *address) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if path := a.file("cacert", ctlCACert); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, unreadable("file of certificate authorities", err)
		}
		if cfg.RootCAs, err = certfile.Pool(pem); err != nil {
			return nil, fmt.Errorf("the file of certificate authorities: %w", err)
		}
	}
	cert, key := a.file("cert", ctlCert), a.file("key", ctlKey)
	if (cert == "") != (key == "") {
		return nil, errors.New("a client certificate needs both, cert and key")
	}
	if cert == "" {
		return cfg, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, unreadable("client certificate or its key", err)
		}
		return &pair, nil
	}
	// Read again for each connection: such certificates are often short-lived.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	_, err := load()
	return cfg, err
}
