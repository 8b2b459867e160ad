package broker

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certEvery is how often the files of a certificate are looked at.
const certEvery = time.Second

// LoadTLS returns a config with the certificate and the private key of two PEM
// files. When the files change, handshakes from then on have the new pair; while the
// new one can't be used, as between the writes of two files, they have the old one,
// and log says so. The error is of the first pair.
func LoadTLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	c := &certFiles{cert: certFile, key: keyFile, log: log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.loaded = c.look()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	c.pair.Store(&pair)
	c.looked.Store(time.Now().UnixNano())
	return &tls.Config{GetCertificate: c.certificate}, nil
}

// certFiles is a certificate that is read again when its files change.
type certFiles struct {
	cert, key string
	log       *slog.Logger
	pair      atomic.Pointer[tls.Certificate]
	looked    atomic.Int64 // in Unix nanoseconds

	mu     sync.Mutex
	loaded [2]stamp // of the files that pair is of
	told   string   // why a new pair can't be used
}

func (c *certFiles) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	last, now := c.looked.Load(), time.Now().UnixNano()
	if now-last >= int64(certEvery) && c.looked.CompareAndSwap(last, now) { // the others go on with what is there
		c.reload()
	}
	return c.pair.Load(), nil
}

// look follows symbolic links: Kubernetes swaps one that leads to both files.
func (c *certFiles) look() (at [2]stamp) {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		at[i] = stamp{info, err}
	}
	return at
}

func (c *certFiles) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.look()
	if now[0].same(c.loaded[0]) && now[1].same(c.loaded[1]) {
		return
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if after := c.look(); err == nil && !(after[0].same(now[0]) && after[1].same(now[1])) {
		return // it changes under us: the next look finds it again
	}
	if err != nil {
		if why := err.Error(); why != c.told {
			c.told = why
			c.log.Error("the new certificate can't be used; the old one stays in use", "err", why,
				"remedy", "put a certificate and its key in place that belong together: they are tried again by themselves")
		}
		return
	}
	c.pair.Store(&pair)
	c.loaded, c.told = now, ""
	c.log.Info("the certificate was reloaded", "until", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
}
